//! `/v1/sessions`: creates, shows, controls and deletes sessions.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderName, StatusCode, header},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    api::{
        error::{ApiError, Code},
        extract::{Action, Actions, NoParams, Object, Params, Session},
        openapi::{Operation, STORE},
        route::{Need::Of, Routes},
        seed::{QrPicture, SessionInfo, picture},
        session::{SessionNow, find},
        submit,
        time::Time,
    },
    config::Scope::{Admin, Control, Read},
    model::ClientId,
    services::{SessionAction, Sessions},
    session::{ProfileFate, Snapshot},
};

pub(super) fn routes() -> Routes {
    let tell = |id, summary| {
        Operation::new(id, summary)
            .refuses(&[Code::UnknownClient])
            .refuses(STORE)
    };
    let actions = [
        tell("startSession", "Starts a session unless it is running"),
        tell("stopSession", "Stops a session and closes its browser"),
        tell(
            "restartSession",
            "Restarts a session with a new browser and resets its failure count",
        ),
        tell("reconnectSession", "The same as restart"),
        tell(
            "logoutSession",
            "Logs out at WhatsApp and waits up to 20 s for the confirmation",
        )
        .refuses(&[Code::NotLinked, Code::LogoutNotConfirmed]),
    ];
    Routes::new()
        .get("/v1/sessions", Of(Read), list, Operation::new("listSessions", "A summary of every session"))
        .post(
            "/v1/sessions",
            Of(Control),
            create,
            Operation::new("createSession", "Creates a session, which exists until it is deleted")
                .status(StatusCode::CREATED)
                .refuses(&[Code::SessionExists, Code::MetadataTooLarge, Code::UnknownClient])
                .refuses(STORE),
        )
        .get(
            "/v1/sessions/{id}",
            Of(Read),
            get,
            Operation::new("getSession", "All information about a session").refuses(&[Code::UnknownClient]).refuses(STORE),
        )
        .delete(
            "/v1/sessions/{id}",
            Of(Admin),
            delete,
            Operation::new("deleteSession", "Deletes a session that was created through the API")
                .more("Its queued messages are cancelled. Its profile is moved to `.quarantine` unless `profile=delete` is given. If that fails, the session stays, stopped, and can be deleted again.")
                .refuses(&[Code::UnknownClient, Code::SessionInConfiguration, Code::CleanupFailed])
                .refuses(STORE),
        )
        .get(
            "/v1/sessions/{id}/qr",
            Of(Control),
            qr,
            Operation::new("getSessionQr", "The QR code that can be scanned now")
                .more("As JSON, or as an image if the header `Accept` names `image/png` or `image/svg+xml`. Anybody who sees it can link a phone.")
                .refuses(&[Code::UnknownClient, Code::QrNotAvailable]),
        )
        .post_action::<SessionAction, _, _>("/v1/sessions/{id}/{verb}", Of(Control), control, actions)
}

/// A summary of a session.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SessionSummary {
    /// Its id.
    id: ClientId,
    #[serde(flatten)]
    now: SessionNow,
    /// Failed attempts to reconnect since it was last ready.
    attempt: u32,
    /// When the next attempt begins, if one is scheduled.
    next_attempt_at: Option<Time>,
}

impl SessionSummary {
    fn new(id: ClientId, now: Snapshot) -> Self {
        Self {
            id,
            now: SessionNow::from(&now),
            attempt: now.attempt,
            next_attempt_at: now.next_attempt_at.map(Time),
        }
    }
}

/// All information about a session.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SessionDetails {
    /// Its id.
    id: ClientId,
    /// Failed attempts to reconnect since it was last ready.
    attempt: u32,
    /// When the next attempt begins, if one is scheduled.
    next_attempt_at: Option<Time>,
    #[serde(flatten)]
    info: SessionInfo,
}

/// Every session.
#[derive(Debug, Serialize, JsonSchema)]
struct SessionList {
    /// The sessions, ordered by id.
    sessions: Vec<SessionSummary>,
}

/// `GET /v1/sessions`: a summary of every session.
async fn list(State(sessions): State<Arc<dyn Sessions>>, _: NoParams) -> Json<SessionList> {
    let all = sessions
        .all()
        .into_iter()
        .map(|(client, now)| SessionSummary::new(client, now));
    Json(SessionList {
        sessions: all.collect(),
    })
}

/// A session to be created.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewSession {
    /// Its id: 1 to 64 characters of `A-Z a-z 0-9 _ -`.
    id: ClientId,
    /// Whether it starts at once; default true.
    #[serde(default = "yes")]
    start: bool,
    /// Free-form pairs that plugins get with its events, at most 50; names and values have at most
    /// 1000 bytes each.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 50))]
    metadata: BTreeMap<String, String>,
}

fn yes() -> bool {
    true
}

/// The response 201 with the path of the session.
type Created<T> = (StatusCode, [(HeaderName, String); 1], Json<T>);

/// `POST /v1/sessions`: creates a session, which exists until it is deleted.
async fn create(
    State(sessions): State<Arc<dyn Sessions>>,
    _: NoParams,
    Object(new): Object<NewSession>,
) -> Result<Created<SessionSummary>, ApiError> {
    let metadata = submit::metadata(new.metadata)?;
    sessions.create(new.id.clone(), new.start, metadata).await?;
    let now = find(&*sessions, &new.id)?;
    let place = format!("/v1/sessions/{}", new.id);
    Ok((
        StatusCode::CREATED,
        [(header::LOCATION, place)],
        Json(SessionSummary::new(new.id, now)),
    ))
}

/// `GET /v1/sessions/{id}`: all information about a session.
async fn get(
    State(sessions): State<Arc<dyn Sessions>>,
    _: NoParams,
    Session(client): Session,
) -> Result<Json<SessionDetails>, ApiError> {
    let info = sessions.info(&client).await?;
    let (attempt, next_attempt_at) = (info.now.attempt, info.now.next_attempt_at.map(Time));
    Ok(Json(SessionDetails {
        id: client.clone(),
        attempt,
        next_attempt_at,
        info: SessionInfo::new(client, info),
    }))
}

/// `GET /v1/sessions/{id}/qr`: the QR code that can be scanned now, as JSON, PNG or SVG.
async fn qr(
    State(sessions): State<Arc<dyn Sessions>>,
    _: NoParams,
    Session(client): Session,
    headers: HeaderMap,
) -> Result<QrPicture, ApiError> {
    let now = find(&*sessions, &client)?;
    picture(&now, &headers)?.ok_or_else(|| {
        let detail = format!(
            "no QR can be scanned now: the session is {}: {}",
            now.state, now.reason
        );
        ApiError::new(Code::QrNotAvailable, detail).with("state", now.state.as_str())
    })
}

impl Actions for SessionAction {
    const ALL: &'static [(&'static str, Self)] = &[
        ("start", Self::Start),
        ("stop", Self::Stop),
        ("restart", Self::Restart),
        ("reconnect", Self::Restart),
        ("logout", Self::Logout),
    ];
}

/// `POST /v1/sessions/{id}/{start|stop|restart|reconnect|logout}`: controls a session.
async fn control(
    State(sessions): State<Arc<dyn Sessions>>,
    _: NoParams,
    Action(action): Action<SessionAction>,
    Session(client): Session,
) -> Result<Json<SessionSummary>, ApiError> {
    sessions.control(&client, action).await?;
    let now = find(&*sessions, &client)?;
    Ok(Json(SessionSummary::new(client, now)))
}

/// Parameters of a deletion.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Removal {
    /// What to do with its profile: `keep` (the default) moves it to `.quarantine`, `delete`
    /// deletes it.
    #[serde(default)]
    profile: Fate,
}

/// What to do with the profile of a deleted session.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "ProfileFate")]
enum Fate {
    /// It is moved to `.quarantine`.
    #[default]
    Keep,
    /// It is deleted together with the login.
    Delete,
}

/// A deleted session.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "RemovedSession")]
struct Removed {
    /// Its id.
    id: ClientId,
    /// Folders removed, relative to the session path.
    removed: Vec<String>,
    /// Folders moved to `.quarantine`, relative to the session path.
    quarantined: Vec<String>,
    /// Disk space freed, in bytes.
    bytes_freed: u64,
}

/// `DELETE /v1/sessions/{id}`: deletes a session that was created through the API. Its profile is
/// moved to `.quarantine`, because a login is deleted only with `?profile=delete`. If the profile
/// cannot be moved or deleted, the session stays, stopped.
async fn delete(
    State(sessions): State<Arc<dyn Sessions>>,
    Params(removal): Params<Removal>,
    Session(client): Session,
) -> Result<Json<Removed>, ApiError> {
    let fate = match removal.profile {
        Fate::Keep => ProfileFate::SetAside,
        Fate::Delete => ProfileFate::Delete,
    };
    let done = sessions.delete(&client, fate).await?;
    Ok(Json(Removed {
        id: client,
        removed: done.removed,
        quarantined: done.quarantined,
        bytes_freed: done.bytes_freed,
    }))
}
