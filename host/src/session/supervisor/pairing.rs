//! Pairing codes that the page reports.

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
        // The QR code on display is no longer valid, because the pairing code has replaced its
        // secret.
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
        // The previous QR code is no longer valid either, even if the request for a code failed;
        // the next batch follows.
        self.snapshot
            .send_modify(|snapshot| (snapshot.qr, snapshot.pairing) = (None, None));
    }

    /// Whether a pairing code is valid now; a new batch of QR codes would invalidate it.
    pub(super) fn is_pairing(&self) -> bool {
        self.snapshot
            .borrow()
            .pairing
            .as_ref()
            .is_some_and(|code| code.expires_at > Timestamp::now())
    }
}
