//! `/v1/sessions/{id}/held`: what was accepted for the account that a session had before.

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
    },
    config::Scope::{Control, Read},
    model::ClientId,
    outbox::Held,
    services::{HeldAction, HeldMessages},
};

pub(super) fn routes() -> Routes {
    let of = |id, summary| {
        Operation::new(id, summary)
            .refuses(&[Code::UnknownClient])
            .refuses(STORE)
    };
    let actions = [
        of(
            "releaseHeld",
            "Lets what is held leave with the account that the session has now",
        ),
        of(
            "cancelHeld",
            "Ends what is held as `not_sent` with the code `cancelled`",
        ),
    ];
    Routes::new()
        .get(
            "/v1/sessions/{id}/held",
            Of(Read),
            get,
            of(
                "getHeld",
                "How much is held because it was accepted for another account",
            ),
        )
        .post_action::<HeldAction, _, _>(
            "/v1/sessions/{id}/held/{verb}",
            Of(Control),
            change,
            actions,
        )
}

/// How much it is.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "HeldCount")]
struct Count {
    /// Messages.
    messages: u64,
    /// Recipients of bulk orders whose messages do not exist yet.
    recipients: u64,
}

impl From<Held> for Count {
    fn from(
        Held {
            messages,
            recipients,
        }: Held,
    ) -> Self {
        Self {
            messages,
            recipients,
        }
    }
}

/// What is held of a session.
#[derive(Debug, Serialize, JsonSchema)]
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
async fn get(
    State(held): State<Arc<dyn HeldMessages>>,
    _: NoParams,
    Session(client): Session,
) -> Result<Json<HeldReport>, ApiError> {
    let now = held.get(&client).await?;
    Ok(Json(HeldReport {
        session: client,
        now: now.into(),
        released: None,
        cancelled: None,
    }))
}

impl Actions for HeldAction {
    const ALL: &'static [(&'static str, Self)] =
        &[("release", Self::Release), ("cancel", Self::Cancel)];
}

/// `POST /v1/sessions/{id}/held/{release|cancel}`: lets it leave with the account of now, or ends
/// it.
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
    Ok(Json(HeldReport {
        session: client,
        now,
        released,
        cancelled,
    }))
}
