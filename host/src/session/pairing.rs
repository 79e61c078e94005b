//! Linking by phone number: the pairing code that replaces a QR code.

use std::fmt;

use crate::{
    model::{Timestamp, millis},
    whatsapp::PairingCode,
};

/// A pairing code that can be typed on the phone now.
#[derive(Clone, PartialEq, Eq)]
pub struct PairingView {
    /// The code, `ABCD-EFGH`. It is a credential.
    pub code: String,
    /// When the code expires; it is then replaced automatically, a few times.
    pub expires_at: Timestamp,
    /// The number of the code, counted from 1 since QR codes were last shown.
    pub attempt: u32,
}

impl PairingView {
    pub(super) fn new(code: PairingCode, attempt: u32) -> Self {
        Self {
            code: code.code,
            expires_at: Timestamp::now().plus_millis(millis(code.ttl)),
            attempt,
        }
    }
}

impl fmt::Debug for PairingView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PairingView")
            .field("expires_at", &self.expires_at)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}
