//! A pairing code, as both layers answer with it.

use axum::http::{HeaderName, header};
use schemars::JsonSchema;
use serde::Serialize;

use super::time::Time;
use crate::session::PairingView;

/// A code that links a session when it is typed on the phone: a credential.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PairingCode {
    /// `ABCD-EFGH`.
    code: String,
    /// After this it is dead, and another one takes its place a few times.
    expires_at: Time,
}

impl From<PairingView> for PairingCode {
    fn from(code: PairingView) -> Self {
        Self {
            code: code.code,
            expires_at: code.expires_at.into(),
        }
    }
}

/// Nothing on the way may keep a credential.
pub(super) const NO_STORE: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];
/// An answer that nothing on the way may keep.
pub(super) type NoStore<T> = ([(HeaderName, &'static str); 1], T);
