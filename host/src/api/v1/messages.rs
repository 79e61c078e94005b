//! `/v1/messages`: accepted sends found, looked at, taken back and taken up again.

use axum::{
    Extension, Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    api::{
        App, SessionFailure,
        access::Caller,
        content,
        extract::{NoParams, Params, time},
        problem::Problem,
        recipient,
    },
    model::{ClientId, Outcome, Timestamp},
    outbox::{ChangeError, Filter, HistoryRow, OutboxId, OutboxRow, RowState},
};

/// Rows of a page, unless the caller says otherwise, and at most.
const PAGE: u32 = 50;
const MAX_PAGE: u32 = 200;

/// A send in short.
pub(in crate::api) fn shape(row: &OutboxRow) -> Value {
    json!({
        "id": row.id, "session": row.client, "state": row.state, "to": row.chat.as_ref().unwrap_or(&row.message.to.chat),
        "recipient": row.recipient, "number": row.recipient.number().cloned().or_else(|| row.message.to.number()), "messageId": row.message_id, "messageKey": row.message_key, "ack": row.ack, "outcome": row.outcome().map(outcome),
        "priority": row.priority, "attempt": row.attempt, "sendAt": row.message.send_at.map(Timestamp::rfc3339),
        "expiresAt": row.expires_at.map(Timestamp::rfc3339), "createdAt": row.created_at.rfc3339(), "updatedAt": row.updated_at.rfc3339(),
    })
}

/// How it ended.
fn outcome(outcome: Outcome) -> Value {
    match outcome {
        Outcome::Sent { message_key, chat, at } => json!({"outcome": "sent", "messageKey": message_key, "chat": chat, "at": at.rfc3339()}),
        Outcome::NotSent { code, reason } => json!({"outcome": "not_sent", "code": code, "reason": reason}),
        Outcome::Unknown { reason } => json!({"outcome": "unknown", "reason": reason}),
    }
}

/// A send with what it says and what happened to it.
fn whole(row: &OutboxRow, history: &[HistoryRow]) -> Value {
    let mut all = shape(row);
    all["content"] = content::shape(&row.message.content);
    all["replyTo"] = json!(row.message.reply_to);
    all["metadata"] = row.message.metadata.iter().map(|(name, value)| (name.clone(), Value::from(value.clone()))).collect();
    if row.redacted {
        all["content"] = json!({"kind": "redacted"});
    }
    let step = |step: &HistoryRow| {
        let mut line = step.detail.clone();
        // Kept as milliseconds.
        for name in ["sendAt", "expiresAt"] {
            if let Some(at) = line.get(name).and_then(Value::as_i64) {
                line[name] = Timestamp(at).rfc3339().into();
            }
        }
        line["at"] = step.at.rfc3339().into();
        line["what"] = step.kind.clone().into();
        line
    };
    all["history"] = history.iter().map(step).collect();
    all
}

fn not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found", "there is no message of that id")
}

pub(in crate::api) async fn get(State(app): State<App>, Path(id): Path<String>, _: NoParams) -> Result<Response, Problem> {
    let (row, history) = app.core.message(&OutboxId(id)).await?.ok_or_else(not_found)?;
    Ok(Json(whole(&row, &history)).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Search {
    session: Option<String>,
    state: Option<RowState>,
    to: Option<String>,
    since: Option<String>,
    until: Option<String>,
    q: Option<String>,
    limit: Option<u32>,
    cursor: Option<i64>,
}

pub(in crate::api) async fn list(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Params(search): Params<Search>,
) -> Result<Response, Problem> {
    if let Some(words) = &search.q {
        let rows = app.core.search_messages(words, &caller.0).await?;
        return Ok(Json(json!({"messages": rows.iter().map(shape).collect::<Vec<_>>(), "next": null})).into_response());
    }
    let listed = app.core.messages(&filter(&app, search)?).await?;
    let messages: Vec<Value> = listed.rows.iter().map(shape).collect();
    // Rows of another version, or broken ones: said by name, so that nobody takes the page for whole.
    Ok(Json(json!({"messages": messages, "unreadable": listed.unreadable, "next": listed.next.map(|place| place.to_string())})).into_response())
}

fn filter(app: &App, search: Search) -> Result<Filter, Problem> {
    let limit = search.limit.unwrap_or(PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(Problem::bad("invalid_query", format!("limit must be 1 to {MAX_PAGE}")));
    }
    Ok(Filter {
        client: search.session.as_deref().map(|id| session(app, id)).transpose()?,
        state: search.state,
        to: search.to.as_deref().map(|to| recipient::read(app, to)).transpose()?,
        since: time("since", search.since)?,
        until: time("until", search.until)?,
        before: search.cursor,
        limit,
    })
}

fn client(id: &str) -> Result<ClientId, Problem> {
    id.parse().map_err(|error: crate::model::InvalidClientId| Problem::bad("invalid_client_id", error.to_string()))
}

/// A session that is there.
fn session(app: &App, id: &str) -> Result<ClientId, Problem> {
    let client = client(id)?;
    match app.core.session(&client) {
        Some(_) => Ok(client),
        None => Err(SessionFailure::Unknown(client).into()),
    }
}

fn unchanged(error: ChangeError, verb: &str) -> Problem {
    let state = match error {
        ChangeError::Missing => return not_found(),
        ChangeError::Store(error) => return error.into(),
        ChangeError::BodyGone => {
            let detail = format!("the message cannot be told to {verb}: what it said was deleted after its time ([storage] keep_bodies)");
            return Problem::new(StatusCode::CONFLICT, "body_gone", detail);
        }
        ChangeError::State(state) => state,
    };
    let why = match state {
        RowState::Unknown => "it may have been sent, and the gateway is finding out by its id",
        RowState::Sent => "it was sent",
        RowState::Sending => "it has begun",
        RowState::Queued => "it waits to be sent",
        RowState::NotSent => "it has ended without being sent",
    };
    let detail = format!("the message cannot be told to {verb}: {why}");
    Problem::new(StatusCode::CONFLICT, "wrong_state", detail).with("state", state.as_str())
}

/// `POST /v1/messages/{id}/cancel`: only one that has not begun.
pub(in crate::api) async fn cancel(State(app): State<App>, Path(id): Path<String>, _: NoParams) -> Result<Response, Problem> {
    let row = app.core.cancel_message(&OutboxId(id)).await.map_err(|error| unchanged(error, "cancel"))?;
    Ok(Json(shape(&row)).into_response())
}

/// `POST /v1/messages/{id}/retry`: only one that has not left.
pub(in crate::api) async fn retry(State(app): State<App>, Path(id): Path<String>, _: NoParams) -> Result<Response, Problem> {
    let row = app.core.retry_message(&OutboxId(id)).await.map_err(|error| unchanged(error, "retry"))?;
    Ok((StatusCode::ACCEPTED, Json(shape(&row))).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Purge {
    session: Option<String>,
    state: Option<RowState>,
}

/// `DELETE /v1/messages?state=queued&session=`: both must be said, so that nobody empties more than they meant.
pub(in crate::api) async fn purge(State(app): State<App>, Params(purge): Params<Purge>) -> Result<Response, Problem> {
    let (Some(id), Some(RowState::Queued)) = (purge.session, purge.state) else {
        let detail = "say ?state=queued&session=<id>: only what waits can be purged, and of one session at a time";
        return Err(Problem::bad("invalid_query", detail));
    };
    let client = session(&app, &id)?;
    let cancelled = app.core.purge_messages(&client).await?;
    Ok(Json(json!({"session": client, "cancelled": cancelled})).into_response())
}
