//! `/v1/sessions`: sessions made, told, looked at and taken away.

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    api::{
        App, SessionAction, SessionFailure,
        extract::{Body, NoParams, Params},
        object,
        problem::Problem,
        reply::Failure,
        seed,
    },
    model::{ClientId, SessionState},
    session::{PasskeyView, ProfileFate, Snapshot},
};

/// Pairs of one session.
const MAX_METADATA: usize = 50;
/// Bytes of one key or value.
const MAX_PAIR: usize = 1000;

/// A session in short.
fn shape(client: &ClientId, now: &Snapshot) -> Value {
    json!({
        "id": client, "state": now.state, "isReady": now.state == SessionState::Ready, "reason": now.reason,
        "passkey": now.passkey.as_ref().map(PasskeyView::shape), "notices": now.notices, "since": now.since.rfc3339(), "linked": now.linked, "account": now.account, "attempt": now.attempt,
        "nextAttemptAt": now.next_attempt_at.map(crate::model::Timestamp::rfc3339),
    })
}

fn client(id: &str) -> Result<ClientId, Problem> {
    id.parse().map_err(|error: crate::model::InvalidClientId| Problem::bad("invalid_client_id", error.to_string()))
}

/// The session and its name, or why there is none.
fn find(app: &App, id: &str) -> Result<(ClientId, Snapshot), Problem> {
    let client = client(id)?;
    match app.core.session(&client) {
        Some(now) => Ok((client, now)),
        None => Err(SessionFailure::Unknown(client).into()),
    }
}

pub(in crate::api) async fn list(State(app): State<App>, _: NoParams) -> Response {
    let sessions: Vec<Value> = app.core.sessions().iter().map(|(client, now)| shape(client, now)).collect();
    Json(json!({"sessions": sessions})).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Create {
    id: ClientId,
    #[serde(default = "yes")]
    start: bool,
    #[serde(default)]
    metadata: std::collections::BTreeMap<String, String>,
}

fn yes() -> bool {
    true
}

pub(in crate::api) async fn create(State(app): State<App>, _: NoParams, Body(body): Body) -> Result<Response, Problem> {
    let create: Create = object::from_slice(&body)?;
    let too_long = create.metadata.iter().any(|(name, value)| name.len() > MAX_PAIR || value.len() > MAX_PAIR);
    if create.metadata.len() > MAX_METADATA || too_long {
        let limits = format!("metadata may have {MAX_METADATA} pairs of at most {MAX_PAIR} bytes each");
        return Err(Problem::bad("metadata_too_large", limits));
    }
    let place = format!("/v1/sessions/{}", create.id);
    app.core.create_session(create.id.clone(), create.start, create.metadata.into_iter().collect()).await?;
    let (client, now) = find(&app, create.id.as_str())?;
    Ok((StatusCode::CREATED, [(header::LOCATION, place)], Json(shape(&client, &now))).into_response())
}

pub(in crate::api) async fn get(State(app): State<App>, Path(id): Path<String>, _: NoParams) -> Result<Response, Problem> {
    let (client, now) = find(&app, &id)?;
    let mut all = app.core.session_info(&client).await?;
    if let (Some(all), Value::Object(short)) = (all.as_object_mut(), shape(&client, &now)) {
        all.extend(short);
    }
    Ok(Json(all).into_response())
}

pub(in crate::api) async fn qr(State(app): State<App>, Path(id): Path<String>, _: NoParams, headers: HeaderMap) -> Result<Response, Problem> {
    let (_, now) = find(&app, &id)?;
    match seed::qr::picture(&now, &headers) {
        Ok(Some(picture)) => Ok(picture),
        Ok(None) => {
            let detail = format!("no QR can be scanned now: the session is {}: {}", now.state, now.reason);
            Err(Problem::new(StatusCode::NOT_FOUND, "qr_not_available", detail).with("state", now.state.as_str()))
        }
        Err(words) => Err(Failure::internal(words).into()),
    }
}

/// What a session can be told.
pub(in crate::api) const VERBS: [&str; 5] = ["start", "stop", "restart", "reconnect", "logout"];

/// `POST /v1/sessions/{id}/{start|stop|restart|reconnect|logout}`.
pub(in crate::api) async fn control(State(app): State<App>, Path((id, verb)): Path<(String, String)>, _: NoParams) -> Result<Response, Problem> {
    let action = match verb.as_str() {
        "start" => SessionAction::Start,
        "stop" => SessionAction::Stop,
        "restart" | "reconnect" => SessionAction::Restart,
        "logout" => SessionAction::Logout,
        _ => {
            let detail = format!("a session cannot be told to {verb:?}; it knows start, stop, restart, reconnect and logout");
            return Err(Problem::new(StatusCode::NOT_FOUND, "not_found", detail));
        }
    };
    app.core.control_session(&client(&id)?, action).await?;
    let (client, now) = find(&app, &id)?;
    Ok(Json(shape(&client, &now)).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Removal {
    #[serde(default)]
    profile: Fate,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Fate {
    #[default]
    Keep,
    Delete,
}

/// The profile is set aside unless `?profile=delete` says otherwise: a login is never deleted by the way.
pub(in crate::api) async fn delete(State(app): State<App>, Path(id): Path<String>, Params(removal): Params<Removal>) -> Result<Response, Problem> {
    let fate = match removal.profile {
        Fate::Keep => ProfileFate::SetAside,
        Fate::Delete => ProfileFate::Delete,
    };
    let done = app.core.delete_session(&client(&id)?, fate).await?;
    Ok(Json(json!({"id": id, "removed": done.removed, "quarantined": done.quarantined, "bytesFreed": done.bytes_freed})).into_response())
}
