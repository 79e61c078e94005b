//! The identity of the caller.

use std::convert::Infallible;

use axum::{extract::FromRequestParts, http::request::Parts};

/// The caller as the guard has identified it. Idempotency keys of different callers are
/// independent.
#[derive(Debug, Clone)]
pub(super) struct Caller(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    /// The guard sets the caller of every request that reaches a handler.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts
            .extensions
            .get::<Self>()
            .cloned()
            .unwrap_or_else(|| Self("unknown".to_owned())))
    }
}
