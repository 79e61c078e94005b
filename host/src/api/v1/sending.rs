//! `/v1/sessions/{id}/sending`: whether a session may send; pausing and resuming it, and lifting
//! restrictions.

use std::sync::Arc;

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    api::{
        error::{ApiError, Code},
        extract::{Action, Actions, NoParams, Session},
        openapi::{Operation, STORE},
        route::{Need::Of, Routes},
        time::Time,
    },
    config::Scope::{Control, Read},
    model::{self, ClientId, RestrictionKind},
    services::SendingControl,
};

pub(super) fn routes() -> Routes {
    let of = |id, summary| {
        Operation::new(id, summary)
            .refuses(&[Code::UnknownClient])
            .refuses(STORE)
    };
    let actions = [
        of(
            "pauseSending",
            "Pauses the sending of a session, also across restarts; messages are still accepted",
        ),
        of("resumeSending", "Resumes the sending of a session"),
        of(
            "liftRestrictions",
            "Lets a session write to new contacts again, whatever WhatsApp has reported",
        ),
    ];
    Routes::new()
        .get(
            "/v1/sessions/{id}/sending",
            Of(Read),
            get,
            of(
                "getSending",
                "Whether a session may send, and WhatsApp's restrictions",
            ),
        )
        .post_action::<SendingAction, _, _>(
            "/v1/sessions/{id}/sending/{verb}",
            Of(Control),
            change,
            actions,
        )
}

/// Whether a session may send.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct SendingReport {
    /// The session.
    session: ClientId,
    /// Whether sending was paused through the API.
    paused: bool,
    /// Since when sending has been paused.
    paused_at: Option<Time>,
    /// When it sent its first message.
    first_send_at: Option<Time>,
    /// WhatsApp's restrictions of its account.
    restrictions: Vec<Restriction>,
}

/// A temporary restriction of an account by WhatsApp.
#[derive(Debug, Serialize, JsonSchema)]
struct Restriction {
    /// The kind of the restriction.
    kind: RestrictionKind,
    /// WhatsApp's code of the restriction: 463 or 475.
    code: u32,
    /// When it began.
    since: Time,
    /// When it ends. If WhatsApp does not say, when the gateway next tries to write to new
    /// contacts.
    until: Time,
}

impl From<model::Restriction> for Restriction {
    fn from(it: model::Restriction) -> Self {
        Self {
            kind: it.kind,
            code: it.kind.code(),
            since: it.since.into(),
            until: it.until.into(),
        }
    }
}

async fn report(
    sending: &Arc<dyn SendingControl>,
    client: ClientId,
) -> Result<Json<SendingReport>, ApiError> {
    let (now, restrictions) = sending.get(&client).await?;
    Ok(Json(SendingReport {
        session: client,
        paused: now.paused_at.is_some(),
        paused_at: now.paused_at.map(Time),
        first_send_at: now.first_at.map(Time),
        restrictions: restrictions.into_iter().map(Restriction::from).collect(),
    }))
}

/// `GET /v1/sessions/{id}/sending`: whether a session may send.
async fn get(
    State(sending): State<Arc<dyn SendingControl>>,
    _: NoParams,
    Session(client): Session,
) -> Result<Json<SendingReport>, ApiError> {
    report(&sending, client).await
}

/// The actions on a session's sending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SendingAction {
    Pause,
    Resume,
    /// Lets the session write to new contacts again, whatever WhatsApp has reported.
    Lift,
}

impl Actions for SendingAction {
    const ALL: &'static [(&'static str, Self)] = &[
        ("pause", Self::Pause),
        ("resume", Self::Resume),
        ("lift", Self::Lift),
    ];
}

/// `POST /v1/sessions/{id}/sending/{pause|resume|lift}`: pauses or resumes the sending of a
/// session, or lifts its restrictions.
async fn change(
    State(sending): State<Arc<dyn SendingControl>>,
    _: NoParams,
    Action(action): Action<SendingAction>,
    Session(client): Session,
) -> Result<Json<SendingReport>, ApiError> {
    match action {
        SendingAction::Pause => sending.pause(&client, true).await?,
        SendingAction::Resume => sending.pause(&client, false).await?,
        SendingAction::Lift => sending.lift(&client).await?,
    }
    report(&sending, client).await
}
