//! `/v1/sessions`: sessions made, told, looked at and taken away.

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
        tell("startSession", "Starts a session, unless it runs"),
        tell("stopSession", "Closes a session's browser and lets it rest"),
        tell(
            "restartSession",
            "Closes a session's browser and starts anew, forgetting earlier failures",
        ),
        tell("reconnectSession", "The same as restart"),
        tell(
            "logoutSession",
            "Ends the login at WhatsApp, and waits up to 20 s for its word",
        )
        .refuses(&[Code::NotLinked, Code::LogoutNotConfirmed]),
    ];
    Routes::new()
        .get("/v1/sessions", Of(Read), list, Operation::new("listSessions", "Every session in short"))
        .post(
            "/v1/sessions",
            Of(Control),
            create,
            Operation::new("createSession", "Makes a session that stays until it is deleted")
                .status(StatusCode::CREATED)
                .refuses(&[Code::SessionExists, Code::MetadataTooLarge, Code::UnknownClient])
                .refuses(STORE),
        )
        .get(
            "/v1/sessions/{id}",
            Of(Read),
            get,
            Operation::new("getSession", "Everything that is known of a session").refuses(&[Code::UnknownClient]).refuses(STORE),
        )
        .delete(
            "/v1/sessions/{id}",
            Of(Admin),
            delete,
            Operation::new("deleteSession", "Ends a session that was made through the API")
                .more("What it had not begun to send is cancelled. Its profile is set aside unless `profile=delete` says otherwise. When that fails the session is still there, stopped, and can be deleted again.")
                .refuses(&[Code::UnknownClient, Code::SessionInConfiguration, Code::CleanupFailed])
                .refuses(STORE),
        )
        .get(
            "/v1/sessions/{id}/qr",
            Of(Control),
            qr,
            Operation::new("getSessionQr", "The QR that can be scanned now")
                .more("As JSON, or as a picture where the header `Accept` names `image/png` or `image/svg+xml`. Whoever sees it can link a phone.")
                .refuses(&[Code::UnknownClient, Code::QrNotAvailable]),
        )
        .post_action::<SessionAction, _, _>("/v1/sessions/{id}/{verb}", Of(Control), control, actions)
}

/// A session in short.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SessionSummary {
    /// Its name.
    id: ClientId,
    #[serde(flatten)]
    now: SessionNow,
    /// Failed attempts to come back since it was last well.
    attempt: u32,
    /// When the next attempt begins, if one will.
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

/// A session in full.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SessionDetails {
    /// Its name.
    id: ClientId,
    /// Failed attempts to come back since it was last well.
    attempt: u32,
    /// When the next attempt begins, if one will.
    next_attempt_at: Option<Time>,
    #[serde(flatten)]
    info: SessionInfo,
}

/// Every session.
#[derive(Debug, Serialize, JsonSchema)]
struct SessionList {
    /// By name.
    sessions: Vec<SessionSummary>,
}

/// `GET /v1/sessions`: every session in short.
async fn list(State(sessions): State<Arc<dyn Sessions>>, _: NoParams) -> Json<SessionList> {
    let all = sessions
        .all()
        .into_iter()
        .map(|(client, now)| SessionSummary::new(client, now));
    Json(SessionList {
        sessions: all.collect(),
    })
}

/// A session to be made.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NewSession {
    /// Its name: 1 to 64 characters of `A-Z a-z 0-9 _ -`.
    id: ClientId,
    /// Whether it starts at once; default true.
    #[serde(default = "yes")]
    start: bool,
    /// Free-form pairs that plugins see, at most 50; names and values have at most 1000 bytes each.
    #[serde(default)]
    #[schemars(extend("maxProperties" = 50))]
    metadata: BTreeMap<String, String>,
}

fn yes() -> bool {
    true
}

/// 201, with where it is.
type Created<T> = (StatusCode, [(HeaderName, String); 1], Json<T>);

/// `POST /v1/sessions`: makes a session that stays until it is deleted.
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

/// `GET /v1/sessions/{id}`: everything that is known of a session.
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

/// `GET /v1/sessions/{id}/qr`: the QR that can be scanned now, as JSON, PNG or SVG.
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

/// `POST /v1/sessions/{id}/{start|stop|restart|reconnect|logout}`: tells a session something.
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

/// What becomes of the profile.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Removal {
    /// `keep` sets it aside (the default), `delete` deletes it.
    #[serde(default)]
    profile: Fate,
}

/// What becomes of the profile of a session that is deleted.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "ProfileFate")]
enum Fate {
    /// It is set aside.
    #[default]
    Keep,
    /// It is deleted, and the login with it.
    Delete,
}

/// A session that is gone.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "RemovedSession")]
struct Removed {
    /// Its name.
    id: ClientId,
    /// Folders removed, relative to the session path.
    removed: Vec<String>,
    /// Folders set aside, relative to the session path.
    quarantined: Vec<String>,
    /// Disk space gained, in bytes.
    bytes_freed: u64,
}

/// `DELETE /v1/sessions/{id}`: ends a session that was made through the API. The profile is set
/// aside unless `?profile=delete` says otherwise: a login is never deleted by the way. When the
/// profile cannot be taken away, the session stays, stopped.
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
