//! `/v1/sessions/{id}/held`: what was accepted for the account that a session had before.

use std::sync::Arc;

use axum::{Json, extract::State};
use serde::Serialize;

use crate::{
    api::{
        error::ApiError,
        extract::{Action, Actions, NoParams, Session},
        route::{Need::Of, Routes},
    },
    config::Scope::{Control, Read},
    model::ClientId,
    outbox::Held,
    services::{HeldAction, HeldMessages},
};

pub(super) fn routes() -> Routes {
    Routes::new().get("/v1/sessions/{id}/held", Of(Read), get).post_action::<HeldAction, _>("/v1/sessions/{id}/held/{verb}", Of(Control), change)
}

/// How much it is.
#[derive(Debug, Serialize)]
struct Count {
    /// Messages.
    messages: u64,
    /// Recipients of bulk orders whose messages do not exist yet.
    recipients: u64,
}

impl From<Held> for Count {
    fn from(Held { messages, recipients }: Held) -> Self {
        Self { messages, recipients }
    }
}

/// What is held of a session.
#[derive(Debug, Serialize)]
struct HeldReport {
    /// The session.
    session: ClientId,
    /// What is held now.
    #[serde(flatten)]
    now: Count,
    /// What this call released.
    #[serde(skip_serializing_if = "Option::is_none")]
    released: Option<Count>,
    /// What this call cancelled.
    #[serde(skip_serializing_if = "Option::is_none")]
    cancelled: Option<Count>,
}

/// `GET /v1/sessions/{id}/held`: how much is held.
async fn get(State(held): State<Arc<dyn HeldMessages>>, _: NoParams, Session(client): Session) -> Result<Json<HeldReport>, ApiError> {
    let now = held.get(&client).await?;
    Ok(Json(HeldReport { session: client, now: now.into(), released: None, cancelled: None }))
}

impl Actions for HeldAction {
    const ALL: &'static [(&'static str, Self)] = &[("release", Self::Release), ("cancel", Self::Cancel)];
}

/// `POST /v1/sessions/{id}/held/{release|cancel}`: lets it leave with the account of now, or ends it.
async fn change(
    State(held): State<Arc<dyn HeldMessages>>,
    _: NoParams,
    Action(action): Action<HeldAction>,
    Session(client): Session,
) -> Result<Json<HeldReport>, ApiError> {
    let changed = Some(Count::from(held.change(&client, action).await?));
    let now = held.get(&client).await?.into();
    let (released, cancelled) = match action {
        HeldAction::Release => (changed, None),
        HeldAction::Cancel => (None, changed),
    };
    Ok(Json(HeldReport { session: client, now, released, cancelled }))
}
