//! Requesting a pairing code, and cancelling it.

use std::time::Duration;

use tokio::time::timeout;

use super::SessionHandle;
use crate::{
    model::{PhoneNumber, SessionState},
    session::pairing::PairingView,
    whatsapp::PageError,
};

/// How long to wait for the event of a code; it follows the answer within milliseconds.
const TOLD: Duration = Duration::from_secs(2);

/// Why there is no pairing code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PairingError {
    /// Only a page that waits to be linked, and for no passkey, makes codes.
    #[error("the session is {state} ({reason}): a pairing code is made only while it is qr_ready")]
    NotWaiting {
        /// The state of the session.
        state: SessionState,
        /// Why it is in this state.
        reason: String,
    },
    /// The page, or WhatsApp behind it, failed or refused.
    #[error(transparent)]
    Page(#[from] PageError),
}

impl SessionHandle {
    /// Requests a pairing code that the owner of `number` types on the phone. The snapshot shows it
    /// too, and also the codes that replace it until one is typed or the pairing is cancelled or
    /// has timed out; no QR code is shown meanwhile.
    ///
    /// # Errors
    /// See [`PairingError`]; the page then goes back to QR codes.
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
        // The code also arrives as an event. A caller that has this answer must no longer be shown
        // the previous QR code, so this waits for the event.
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

    /// Cancels the pairing code and goes back to QR codes. Without a code it does nothing.
    ///
    /// # Errors
    /// When the page does not accept it.
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
