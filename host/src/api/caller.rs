//! Whose call it is.

use std::convert::Infallible;

use axum::{extract::FromRequestParts, http::request::Parts};

/// The caller, as the guard knows it: the scope of idempotency keys.
#[derive(Debug, Clone)]
pub(super) struct Caller(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    /// The guard names the caller of every request that reaches a handler.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts
            .extensions
            .get::<Self>()
            .cloned()
            .unwrap_or_else(|| Self("unknown".to_owned())))
    }
}
