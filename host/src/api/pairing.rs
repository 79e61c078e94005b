//! The pairing code in responses of both layers.

use axum::http::{HeaderName, header};
use schemars::JsonSchema;
use serde::Serialize;

use super::time::Time;
use crate::session::PairingView;

/// A code that links a session when it is typed on the phone. It is a credential.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PairingCode {
    /// The code, `ABCD-EFGH`.
    code: String,
    /// When it expires. A new code replaces it a few times.
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

/// Keeps caches from storing a credential.
pub(super) const NO_STORE: [(HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];
/// A response that caches must not store.
pub(super) type NoStore<T> = ([(HeaderName, &'static str); 1], T);
