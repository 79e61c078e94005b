//! Requesting a pairing code, and cancelling it.

use std::time::Duration;

use tokio::time::timeout;

use super::{AskError, SessionHandle};
use crate::{
    model::{PhoneNumber, SessionState},
    session::pairing::PairingView,
    whatsapp::PageError,
};

const CODE_MADE: &str = "a pairing code is made";

/// How long to wait for the event of a code; it follows the answer within milliseconds.
const TOLD: Duration = Duration::from_secs(2);

impl SessionHandle {
    /// Requests a pairing code that the owner of `number` types on the phone. The snapshot shows it
    /// too, and also the codes that replace it until one is typed or the pairing is cancelled or
    /// has timed out; no QR code is shown meanwhile.
    ///
    /// # Errors
    /// See [`AskError`]; the page then goes back to QR codes. A page that waits for a passkey makes
    /// no codes.
    pub async fn pairing_code(&self, number: &PhoneNumber) -> Result<PairingView, AskError> {
        let page = self.page_in(SessionState::QrReady, CODE_MADE)?;
        if self.awaits_passkey() {
            let now = self.snapshot.borrow();
            return Err(AskError::NotNow {
                state: now.state,
                reason: now.reason.clone(),
                what: CODE_MADE,
                needed: SessionState::QrReady,
            });
        }
        let attempt = {
            let now = self.snapshot.borrow();
            now.pairing.as_ref().map_or(1, |before| before.attempt + 1)
        };
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
        match self.page_in(SessionState::QrReady, CODE_MADE) {
            Ok(page) => page.cancel_pairing().await,
            Err(_) => Ok(()),
        }
    }
}
