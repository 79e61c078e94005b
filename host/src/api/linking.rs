//! Linking by phone number, in the original service's envelope and below `/v1`.

use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    App, object,
    params::{Body, NoParams, Params},
    problem::Problem,
    recipient::{self, Written},
    reply::{Failure, success},
    seed::{self, Whose, bad},
};
use crate::{
    model::{ClientId, InvalidClientId},
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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    number: Written,
    client_id: Option<String>,
}

/// The own layer's: the session is in the path.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    number: Written,
}

fn shape(code: &PairingView) -> Value {
    json!({"code": code.code, "expiresAt": code.expires_at.rfc3339()})
}

/// A code is a credential: nothing on the way may keep it.
const NO_STORE: [(header::HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

pub(super) async fn seed_code(State(app): State<App>, Params(whose): Params<Whose>, Body(body): Body) -> Result<Response, Failure> {
    let wanted: Wanted = object::from_slice(&body).map_err(|fault| fault.of_body("missing_fields", "Missing required fields"))?;
    let number = recipient::number(&app, wanted.number.text())?;
    let client = match wanted.client_id {
        Some(id) => id.parse().map_err(|error: InvalidClientId| bad("invalid_client_id", "Invalid client id", error.to_string()))?,
        None => seed::client(&app, &whose)?,
    };
    let code = app.core.pairing_code(&client, &number).await?;
    Ok((NO_STORE, success(&shape(&code), "Type the code in WhatsApp: Linked devices, Link with phone number")).into_response())
}

pub(super) async fn seed_cancel(State(app): State<App>, Params(whose): Params<Whose>) -> Result<Response, Failure> {
    app.core.cancel_pairing(&seed::client(&app, &whose)?).await?;
    Ok(success(&json!({}), "QR codes are shown again"))
}

fn client(id: &str) -> Result<ClientId, Problem> {
    id.parse().map_err(|error: InvalidClientId| Problem::bad("invalid_client_id", error.to_string()))
}

pub(super) async fn code(State(app): State<App>, Path(id): Path<String>, _: NoParams, Body(body): Body) -> Result<Response, Problem> {
    let wanted: Own = object::from_slice(&body)?;
    let number = recipient::number(&app, wanted.number.text())?;
    let code = app.core.pairing_code(&client(&id)?, &number).await?;
    Ok((NO_STORE, Json(shape(&code))).into_response())
}

pub(super) async fn cancel(State(app): State<App>, Path(id): Path<String>, _: NoParams) -> Result<Response, Problem> {
    app.core.cancel_pairing(&client(&id)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
