//! Passkeys that WhatsApp asks for: `/v1/sessions/{id}/passkey`.

use axum::{
    Json,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    api::{
        App,
        extract::{Body, NoParams},
        object,
        problem::Problem,
    },
    model::{ClientId, InvalidClientId},
    session::{PasskeyError, PasskeyView},
};

/// Where helper pages are reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelperAddress {
    /// Without a slash at the end.
    pub base: String,
    /// It works for browsers of this machine alone, because nobody has said another address.
    pub local_only: bool,
}

impl HelperAddress {
    /// The link to one page.
    #[must_use]
    pub fn link(&self, token: &str) -> String {
        format!("{}/passkey/{token}", self.base)
    }
}

/// Why nothing was done about a passkey.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PasskeyFailure {
    /// There is no such session.
    #[error("there is no session {0}")]
    Unknown(ClientId),
    /// The session, the page, or what was brought.
    #[error(transparent)]
    Passkey(#[from] PasskeyError),
}

impl From<PasskeyFailure> for Problem {
    fn from(failure: PasskeyFailure) -> Self {
        let words = failure.to_string();
        let (status, code) = match &failure {
            PasskeyFailure::Unknown(_) => (StatusCode::NOT_FOUND, "unknown_client"),
            PasskeyFailure::Passkey(error) => match error {
                PasskeyError::NotAsked => (StatusCode::NOT_FOUND, "no_passkey_asked"),
                PasskeyError::NotWaiting(_) => (StatusCode::CONFLICT, "not_waiting_for_passkey"),
                PasskeyError::Invalid(crate::whatsapp::AssertionFault::WrongChallenge) => (StatusCode::CONFLICT, "wrong_challenge"),
                PasskeyError::Invalid(_) => (StatusCode::BAD_REQUEST, "invalid_assertion"),
                PasskeyError::Expired { .. } => (StatusCode::GONE, "challenge_expired"),
                PasskeyError::Refused(_) => (StatusCode::BAD_GATEWAY, "refused_by_whatsapp"),
                PasskeyError::NotConfirming(_) => (StatusCode::CONFLICT, "not_waiting_for_code"),
                PasskeyError::WrongCode => (StatusCode::CONFLICT, "wrong_code"),
                PasskeyError::Page(_) => (StatusCode::BAD_GATEWAY, "page_error"),
            },
        };
        if matches!(failure, PasskeyFailure::Passkey(PasskeyError::Page(_))) {
            let detail = "WhatsApp Web could not take it; the gateway's log says why, under this request's id";
            return Self::new(status, code, detail).because(words);
        }
        let problem = Self::new(status, code, words);
        match failure {
            PasskeyFailure::Passkey(PasskeyError::NotWaiting(stage) | PasskeyError::NotConfirming(stage)) => problem.with("stage", stage.as_str()),
            PasskeyFailure::Passkey(PasskeyError::Expired { again }) => problem.with("again", again),
            _ => problem,
        }
    }
}

/// Nothing on the way may keep a challenge or a code.
pub(in crate::api) const NO_STORE: [(header::HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

/// A ceremony with the link to its helper page.
fn shape(app: &App, view: &PasskeyView) -> Value {
    let mut shape = view.shape();
    if let (Some(shape), Some(token)) = (shape.as_object_mut(), &view.token) {
        let address = app.core.helper();
        shape.insert("helperUrl".into(), address.link(token).into());
        if address.local_only {
            shape.insert("helperNote".into(), "this link works in a browser on the gateway's own machine; [server] public_url names another".into());
        }
    }
    shape
}

fn client(id: &str) -> Result<ClientId, Problem> {
    id.parse().map_err(|error: InvalidClientId| Problem::bad("invalid_client_id", error.to_string()))
}

pub(in crate::api) async fn get(State(app): State<App>, Path(id): Path<String>, _: NoParams) -> Result<Response, Problem> {
    let client = client(&id)?;
    let now = app.core.session(&client).ok_or(PasskeyFailure::Unknown(client))?;
    let view = now.passkey.ok_or(PasskeyFailure::Passkey(PasskeyError::NotAsked))?;
    Ok((NO_STORE, Json(shape(&app, &view))).into_response())
}

pub(in crate::api) async fn answer(State(app): State<App>, Path(id): Path<String>, _: NoParams, Body(body): Body) -> Result<Response, Problem> {
    let view = app.core.answer_passkey(&client(&id)?, &body).await?;
    Ok((StatusCode::ACCEPTED, NO_STORE, Json(shape(&app, &view))).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Confirmation {
    code: String,
}

pub(in crate::api) async fn confirm(State(app): State<App>, Path(id): Path<String>, _: NoParams, Body(body): Body) -> Result<Response, Problem> {
    let view = app.core.confirm_passkey(&client(&id)?, &object::from_slice::<Confirmation>(&body)?.code).await?;
    Ok((StatusCode::ACCEPTED, NO_STORE, Json(shape(&app, &view))).into_response())
}

pub(in crate::api) async fn cancel(State(app): State<App>, Path(id): Path<String>, _: NoParams) -> Result<Response, Problem> {
    app.core.cancel_passkey(&client(&id)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
