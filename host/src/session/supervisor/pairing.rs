//! Codes for linking by phone number, as the page tells them.

use tracing::info;

use super::Supervisor;
use crate::{
    model::{SessionState, Timestamp},
    session::pairing::PairingView,
    whatsapp::PairingCode,
};

impl Supervisor {
    pub(super) async fn pairing_code(&mut self, code: PairingCode) {
        if self.machine.state != SessionState::QrReady || self.machine.passkey {
            return;
        }
        let attempt = self
            .snapshot
            .borrow()
            .pairing
            .as_ref()
            .map_or(1, |before| before.attempt + 1);
        let view = PairingView::new(code, attempt);
        // The QR on show has lost its secret to the code.
        self.snapshot
            .send_modify(|snapshot| (snapshot.qr, snapshot.pairing) = (None, Some(view.clone())));
        self.parts
            .journal
            .pairing_code(
                &self.parts.client,
                &view.code,
                view.expires_at,
                view.attempt,
            )
            .await;
    }

    pub(super) fn pairing_ended(&mut self, reason: &str) {
        info!(client = %self.parts.client, reason, "no pairing code can be typed any more");
        // A QR of before is dead, too, also when the request for a code failed; the next batch is
        // on its way.
        self.snapshot
            .send_modify(|snapshot| (snapshot.qr, snapshot.pairing) = (None, None));
    }

    /// A code can be typed: a new batch of QR codes now would spoil it.
    pub(super) fn is_pairing(&self) -> bool {
        self.snapshot
            .borrow()
            .pairing
            .as_ref()
            .is_some_and(|code| code.expires_at > Timestamp::now())
    }
}
