//! `/v1/sessions/{id}/held`: messages that are held because they were accepted for a previous
//! account of the session.

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
            "Lets held messages be sent by the session's present account",
        ),
        of(
            "cancelHeld",
            "Cancels held messages: they end as `not_sent` with the code `cancelled`",
        ),
    ];
    Routes::new()
        .get(
            "/v1/sessions/{id}/held",
            Of(Read),
            get,
            of(
                "getHeld",
                "The number of messages held because they were accepted for another account",
            ),
        )
        .post_action::<HeldAction, _, _>(
            "/v1/sessions/{id}/held/{verb}",
            Of(Control),
            change,
            actions,
        )
}

/// The number of held messages.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "HeldCount")]
struct Count {
    /// The number of messages.
    messages: u64,
    /// The number of recipients of bulk orders that have no message yet.
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

/// The held messages of a session.
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

/// `GET /v1/sessions/{id}/held`: the number of held messages.
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

/// `POST /v1/sessions/{id}/held/{release|cancel}`: lets the held messages be sent by the present
/// account, or cancels them.
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
