//! `/v1/deliveries`: what waits for its receiver and what was given up, found, looked at, delivered again, thrown away.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    api::{
        App,
        extract::{NoParams, Params, time},
        problem::Problem,
    },
    events::{Delivery, DeliveryFilter, DeliveryState, Letter, ReceiverReport},
    model::{Envelope, Event, Timestamp},
};

/// Rows of a page, unless the caller says otherwise, and at most.
const PAGE: u32 = 50;
const MAX_PAGE: u32 = 200;

fn shape(Letter { delivery, event }: &Letter) -> Value {
    let Delivery { id, plugin, target, state, attempt, next_at, reason, made_at, updated_at, .. } = delivery;
    let at = |at: &Timestamp| at.rfc3339();
    json!({
        "id": id, "plugin": plugin, "target": Some(target).filter(|target| !target.is_empty()), "state": state, "attempt": attempt,
        "nextAt": (*state == DeliveryState::Pending).then(|| at(next_at)), "reason": reason, "createdAt": at(made_at), "updatedAt": at(updated_at),
        "event": event.as_ref().map(self::event),
    })
}

/// What the event is about, without what it says.
fn event(envelope: &Envelope) -> Value {
    let message = match &envelope.event {
        Event::MessageSent { id, .. } | Event::MessageFailed { id, .. } | Event::MessageAck { id, .. } => Some(id),
        Event::MessageReceived(message) => Some(&message.id),
        _ => None,
    };
    json!({
        "id": envelope.id, "kind": envelope.event.kind(), "session": envelope.session, "at": envelope.at.rfc3339(), "replayed": envelope.replayed,
        "messageId": message,
    })
}

fn not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found", "there is no delivery of that id")
}

/// Which deliveries; every call takes the same words.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Which {
    state: Option<DeliveryState>,
    plugin: Option<String>,
    target: Option<String>,
    since: Option<String>,
    until: Option<String>,
    limit: Option<u32>,
    cursor: Option<String>,
}

fn read(mut which: Which) -> Result<(Which, DeliveryFilter), Problem> {
    let filter = DeliveryFilter {
        state: which.state,
        plugin: which.plugin.take(),
        target: which.target.take(),
        since: time("since", which.since.take())?,
        until: time("until", which.until.take())?,
    };
    Ok((which, filter))
}

/// For calls that change many: the state, and which of them, so that nobody changes more than they meant.
fn chosen(which: Which, verb: &str) -> Result<DeliveryFilter, Problem> {
    let (which, filter) = read(which)?;
    if which.limit.is_some() || which.cursor.is_some() {
        return Err(Problem::bad("invalid_query", format!("limit and cursor are of a list; to {verb} takes all that is meant")));
    }
    if !matches!(filter.state, None | Some(DeliveryState::Dead | DeliveryState::Pending)) {
        return Err(Problem::bad("invalid_query", format!("state must be dead or pending: nothing else can be told to {verb}")));
    }
    let any = filter.plugin.is_some() || filter.target.is_some() || filter.since.is_some() || filter.until.is_some();
    if any { Ok(filter) } else { Err(Problem::bad("invalid_query", format!("say which are to {verb}: by plugin, target, since or until"))) }
}

/// `GET /v1/deliveries`
pub(in crate::api) async fn list(State(app): State<App>, Params(which): Params<Which>) -> Result<Response, Problem> {
    let (which, filter) = read(which)?;
    let limit = which.limit.unwrap_or(PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(Problem::bad("invalid_query", format!("limit must be 1 to {MAX_PAGE}")));
    }
    let (letters, next) = app.core.deliveries(&filter, which.cursor.as_deref(), limit).await?;
    Ok(Json(json!({"deliveries": letters.iter().map(shape).collect::<Vec<_>>(), "next": next})).into_response())
}

/// `GET /v1/deliveries/receivers`
pub(in crate::api) async fn receivers(State(app): State<App>, _: NoParams) -> Result<Response, Problem> {
    let report = |ReceiverReport { count, failing }: &ReceiverReport| {
        let failing = failing.as_ref().map(|it| {
            json!({"since": it.since.rfc3339(), "failures": it.failures, "reason": it.reason, "circuit": if it.open { "open" } else { "closed" }})
        });
        let target = Some(&count.target).filter(|target| !target.is_empty());
        json!({"plugin": count.plugin, "target": target, "pending": count.pending, "dead": count.dead, "failing": failing})
    };
    let receivers = app.core.receivers().await?;
    Ok(Json(json!({"receivers": receivers.iter().map(report).collect::<Vec<_>>()})).into_response())
}

/// `GET /v1/deliveries/{id}`
pub(in crate::api) async fn get(State(app): State<App>, Path(id): Path<String>, _: NoParams) -> Result<Response, Problem> {
    let letter = app.core.delivery(&id).await?.ok_or_else(not_found)?;
    Ok(Json(shape(&letter)).into_response())
}

/// `POST /v1/deliveries/{id}/retry`
pub(in crate::api) async fn retry(State(app): State<App>, Path(id): Path<String>, _: NoParams) -> Result<Response, Problem> {
    let done = app.core.retry_delivery(&id).await?;
    let letter = changed(&app, &id, done, "retry").await?;
    Ok((StatusCode::ACCEPTED, Json(shape(&letter.ok_or_else(not_found)?))).into_response())
}

/// `DELETE /v1/deliveries/{id}`
pub(in crate::api) async fn purge(State(app): State<App>, Path(id): Path<String>, _: NoParams) -> Result<Response, Problem> {
    let done = app.core.purge_delivery(&id).await?;
    changed(&app, &id, done, "purge").await?;
    Ok(Json(json!({"purged": 1})).into_response())
}

/// The delivery as it is now; a problem when nothing was done to it.
async fn changed(app: &App, id: &str, done: bool, verb: &str) -> Result<Option<Letter>, Problem> {
    let letter = app.core.delivery(id).await?;
    if done {
        return Ok(letter);
    }
    let state = letter.ok_or_else(not_found)?.delivery.state;
    let detail = format!("the delivery cannot be told to {verb}: it is {}, and only what waits or is dead can", state.as_str());
    Err(Problem::new(StatusCode::CONFLICT, "wrong_state", detail).with("state", state.as_str()))
}

/// `POST /v1/deliveries/retry`
pub(in crate::api) async fn retry_all(State(app): State<App>, Params(which): Params<Which>) -> Result<Response, Problem> {
    let filter = chosen(which, "retry")?;
    let retried = app.core.retry_deliveries(&filter).await?;
    Ok((StatusCode::ACCEPTED, Json(json!({"retried": retried}))).into_response())
}

/// `DELETE /v1/deliveries`
pub(in crate::api) async fn purge_all(State(app): State<App>, Params(which): Params<Which>) -> Result<Response, Problem> {
    let filter = chosen(which, "purge")?;
    if filter.state.is_none() {
        return Err(Problem::bad("invalid_query", "say state=dead or state=pending as well: what is purged is delivered to nobody"));
    }
    let purged = app.core.purge_deliveries(&filter).await?;
    Ok(Json(json!({"purged": purged})).into_response())
}
