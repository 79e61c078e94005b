//! Asking for a code that links by phone number, and giving it up.

use std::time::Duration;

use tokio::time::timeout;

use super::SessionHandle;
use crate::{
    model::{PhoneNumber, SessionState},
    session::pairing::PairingView,
    whatsapp::PageError,
};

/// The event of a code comes within milliseconds of the answer.
const TOLD: Duration = Duration::from_secs(2);

/// Why there is no code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PairingError {
    /// Only a page that waits for a link, and for no passkey, makes codes.
    #[error("the session is {state} ({reason}): a pairing code is made only while it is qr_ready")]
    NotWaiting {
        /// Where it stands.
        state: SessionState,
        /// Why.
        reason: String,
    },
    /// The page, or WhatsApp behind it.
    #[error(transparent)]
    Page(#[from] PageError),
}

impl SessionHandle {
    /// Asks for a code that the owner of `number` types on the phone. The snapshot has it, too, and
    /// those that take its place until it is typed, cancelled or given up; no QR is shown
    /// meanwhile.
    ///
    /// # Errors
    /// See [`PairingError`]; the page goes back to QR codes then.
    pub async fn pairing_code(&self, number: &PhoneNumber) -> Result<PairingView, PairingError> {
        let (state, reason, attempt) = {
            let now = self.snapshot.borrow();
            (
                now.state,
                now.reason.clone(),
                now.pairing.as_ref().map_or(1, |before| before.attempt + 1),
            )
        };
        let page = self
            .any_page
            .borrow()
            .clone()
            .filter(|_| state == SessionState::QrReady && !self.awaits_passkey());
        let page = page.ok_or(PairingError::NotWaiting { state, reason })?;
        let code = page.pairing_code(number).await?;
        // The same news comes as an event; whoever has this answer must not be shown the QR of
        // before any more.
        let mut snapshot = self.snapshot.clone();
        let _ = timeout(
            TOLD,
            snapshot.wait_for(|now| {
                now.pairing
                    .as_ref()
                    .is_some_and(|told| told.code == code.code)
            }),
        )
        .await;
        Ok(PairingView::new(code, attempt))
    }

    /// Gives the code up and shows QR codes again. Without a code nothing happens.
    ///
    /// # Errors
    /// When the page does not take it.
    pub async fn cancel_pairing(&self) -> Result<(), PageError> {
        let page = self
            .any_page
            .borrow()
            .clone()
            .filter(|_| self.snapshot.borrow().state == SessionState::QrReady);
        match page {
            Some(page) => page.cancel_pairing().await,
            None => Ok(()),
        }
    }
}
