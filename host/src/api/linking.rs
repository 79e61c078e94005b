//! Linking by phone number: what both layers' calls share.

use axum::http::{StatusCode, header};
use serde_json::{Value, json};

use super::{problem::Problem, reply::Failure};
use crate::{
    model::ClientId,
    session::{PairingError, PairingView},
    whatsapp::PageError,
};

/// What callers are told when the page failed in words of the browser.
const PAGE: &str = "WhatsApp Web made no pairing code; the gateway's log says why, under this request's id";
/// WhatsApp does not say how long it refuses; minutes, as seen.
const RATE_LIMIT_SECONDS: u64 = 300;

/// Why there is no code.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LinkFailure {
    /// There is no such session.
    #[error("there is no session {0}")]
    Unknown(ClientId),
    /// The session, or WhatsApp.
    #[error(transparent)]
    Pairing(#[from] PairingError),
}

impl LinkFailure {
    fn status(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Unknown(_) => (StatusCode::NOT_FOUND, "unknown_client", "Unknown client"),
            Self::Pairing(PairingError::NotWaiting { .. }) => (StatusCode::CONFLICT, "not_waiting_for_link", "Session does not wait for a link"),
            Self::Pairing(PairingError::Page(PageError::RateLimited { .. })) => {
                (StatusCode::TOO_MANY_REQUESTS, "pairing_rate_limited", "Too many pairing codes")
            }
            Self::Pairing(PairingError::Page(PageError::NotAvailable { .. })) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "pairing_not_available", "Pairing code not available")
            }
            Self::Pairing(PairingError::Page(_)) => (StatusCode::BAD_GATEWAY, "page_error", "WhatsApp Web made no pairing code"),
        }
    }

    /// Where the session stands, when that is the reason.
    fn state(&self) -> Option<Value> {
        match self {
            Self::Pairing(PairingError::NotWaiting { state, .. }) => Some(json!(state)),
            _ => None,
        }
    }
}

impl From<LinkFailure> for Failure {
    fn from(failure: LinkFailure) -> Self {
        let (status, code, error) = failure.status();
        if status == StatusCode::BAD_GATEWAY {
            return Self::new(status, code, error, PAGE).because(failure);
        }
        let answer = Self::new(status, code, error, failure.to_string());
        let answer = match failure.state() {
            Some(state) => answer.with(json!({"connectionStatus": state})),
            None => answer,
        };
        if status == StatusCode::TOO_MANY_REQUESTS { answer.after(RATE_LIMIT_SECONDS) } else { answer }
    }
}

impl From<LinkFailure> for Problem {
    fn from(failure: LinkFailure) -> Self {
        let (status, code, _) = failure.status();
        if status == StatusCode::BAD_GATEWAY {
            return Self::new(status, code, PAGE).because(failure);
        }
        let answer = Self::new(status, code, failure.to_string());
        match failure.state() {
            Some(state) => answer.with("state", state),
            None if status == StatusCode::TOO_MANY_REQUESTS => answer.with("retryAfterSeconds", RATE_LIMIT_SECONDS),
            None => answer,
        }
    }
}

pub(super) fn shape(code: &PairingView) -> Value {
    json!({"code": code.code, "expiresAt": code.expires_at.rfc3339()})
}

/// A code is a credential: nothing on the way may keep it.
pub(super) const NO_STORE: [(header::HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];
