//! Linking by phone number: the code that stands in for a QR.

use std::fmt;

use crate::{
    model::{Timestamp, millis},
    whatsapp::PairingCode,
};

/// A code that can be typed on the phone now.
#[derive(Clone, PartialEq, Eq)]
pub struct PairingView {
    /// `ABCD-EFGH`: a credential.
    pub code: String,
    /// After this it is dead; another one takes its place by itself, a few times.
    pub expires_at: Timestamp,
    /// 1 for the first since QR codes were shown.
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
