//! `/v1/messages`: accepted messages found, looked at, taken back and taken up again.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    api::{
        app::Defaults,
        caller::Caller,
        content,
        error::{ApiError, Code},
        extract::{NoParams, Params, time},
        openapi::{Operation, STORE},
        recipient,
        route::{Need::Of, Routes},
        session::find,
        time::{AnyTime, Time},
    },
    config::Scope::{Admin, Read, Send},
    model::{self, ClientId, FailureCode, MessageId, PhoneNumber, Priority, Recipient, Timestamp},
    outbox::{ChangeError, Filter, HistoryRow, OutboxId, OutboxRow, RowState},
    services::{Messages, Sessions},
};

pub(super) fn routes() -> Routes {
    let found = |id, summary| {
        Operation::new(id, summary)
            .refuses(&[Code::NotFound])
            .refuses(STORE)
    };
    Routes::new()
        .get(
            "/v1/messages",
            Of(Read),
            list,
            Operation::new("listMessages", "One page of accepted messages, newest first, without what they say")
                .more("A page looks at 100,000 messages at the most, so it may have fewer than `limit` and still a `next`; go on until `next` is null.")
                .refuses(&[Code::InvalidClientId, Code::UnknownClient, Code::InvalidNumber, Code::RecipientNotSupported, Code::InvalidTime])
                .refuses(STORE),
        )
        .delete(
            "/v1/messages",
            Of(Admin),
            purge,
            Operation::new("purgeMessages", "Takes back every message of a session that has not begun")
                .more("Scheduled messages and recipients of bulk orders included. Both parameters must be said, so that nobody empties more than they meant.")
                .refuses(&[Code::InvalidClientId, Code::UnknownClient])
                .refuses(STORE),
        )
        .get("/v1/messages/{id}", Of(Read), get, found("getMessage", "A message with what it says and what happened to it"))
        .post(
            "/v1/messages/{id}/cancel",
            Of(Send),
            cancel,
            found("cancelMessage", "Takes a message back that has not begun").refuses(&[Code::WrongState]),
        )
        .post(
            "/v1/messages/{id}/retry",
            Of(Send),
            retry,
            found("retryMessage", "Takes a message up again that is `not_sent`, under the same WhatsApp id")
                .status(StatusCode::ACCEPTED)
                .refuses(&[Code::WrongState, Code::BodyGone]),
        )
}

/// Rows of a page, unless the caller says otherwise, and at most.
const PAGE: u32 = 50;
const MAX_PAGE: u32 = 200;

/// An accepted message.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
    /// The gateway's id of it, `out_…`.
    id: OutboxId,
    /// By which session.
    session: ClientId,
    /// Where it stands.
    state: RowState,
    /// The chat it went to, or is addressed to.
    to: String,
    /// To whom, as it was asked for: digits of a phone number, or the id of a chat.
    recipient: Recipient,
    /// The phone number of the recipient, in digits, where it is known.
    number: Option<PhoneNumber>,
    /// WhatsApp's id of the message, made before anything else.
    message_id: MessageId,
    /// WhatsApp's key of the message, `true_<chat>_<id>`, once it has one.
    message_key: Option<String>,
    /// WhatsApp's number of the last acknowledgement, 1 (server) to 4 (played); 0: none.
    ack: i64,
    /// How it ended, once it has.
    outcome: Option<Outcome>,
    /// What goes first.
    priority: Priority,
    /// How often it was begun.
    attempt: i64,
    /// When it is to be sent; null: at once.
    send_at: Option<Time>,
    /// Not to be begun after.
    expires_at: Option<Time>,
    /// When it was accepted.
    created_at: Time,
    /// When it last changed.
    updated_at: Time,
}

/// How a message ended.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(
    tag = "outcome",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
#[schemars(rename = "MessageOutcome")]
enum Outcome {
    /// WhatsApp's server has it.
    Sent {
        /// WhatsApp's key of the message, `true_<chat>_<id>`.
        message_key: String,
        /// The chat it went to.
        chat: String,
        /// When the server's acknowledgement was seen.
        at: Time,
    },
    /// It did not leave and will not.
    NotSent {
        /// Why, for programs.
        code: FailureCode,
        /// Why, for people.
        reason: String,
    },
    /// It may have left; the gateway finds out by its id.
    Unknown {
        /// What happened meanwhile, for people.
        reason: String,
    },
}

impl From<model::Outcome> for Outcome {
    fn from(outcome: model::Outcome) -> Self {
        match outcome {
            model::Outcome::Sent {
                message_key,
                chat,
                at,
            } => Self::Sent {
                message_key,
                chat,
                at: at.into(),
            },
            model::Outcome::NotSent { code, reason } => Self::NotSent { code, reason },
            model::Outcome::Unknown { reason } => Self::Unknown { reason },
        }
    }
}

impl From<&OutboxRow> for Message {
    fn from(row: &OutboxRow) -> Self {
        Self {
            id: row.id.clone(),
            session: row.client.clone(),
            state: row.state,
            to: row.chat.as_ref().unwrap_or(&row.message.to.chat).clone(),
            recipient: row.recipient.clone(),
            number: row
                .recipient
                .number()
                .cloned()
                .or_else(|| row.message.to.number()),
            message_id: row.message_id.clone(),
            message_key: row.message_key.clone(),
            ack: row.ack,
            outcome: row.outcome().map(Outcome::from),
            priority: row.priority,
            attempt: row.attempt,
            send_at: row.message.send_at.map(Time),
            expires_at: row.expires_at.map(Time),
            created_at: row.created_at.into(),
            updated_at: row.updated_at.into(),
        }
    }
}

/// A message with what it says and what happened to it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct MessageDetails {
    #[serde(flatten)]
    message: Message,
    /// What it says, in the fields of a send, with its `kind`; `redacted` once that was deleted.
    content: Value,
    /// The WhatsApp id of the message that it answers.
    reply_to: Option<MessageId>,
    /// Free-form pairs of the caller.
    metadata: BTreeMap<String, String>,
    /// What happened to it, oldest first.
    history: Vec<HistoryEntry>,
}

/// Something that happened to a message.
#[derive(Debug, Serialize, JsonSchema)]
struct HistoryEntry {
    /// When it happened. RFC 3339, UTC.
    at: Time,
    /// What: `accepted`, `verdict`, `held`, `sending`, `ack` …
    what: String,
    /// What belongs to it.
    #[serde(flatten)]
    detail: Map<String, Value>,
}

impl From<&HistoryRow> for HistoryEntry {
    fn from(row: &HistoryRow) -> Self {
        let mut detail = row.detail.as_object().cloned().unwrap_or_default();
        // Kept as milliseconds.
        for name in ["sendAt", "expiresAt"] {
            if let Some(at) = detail.get(name).and_then(Value::as_i64) {
                detail.insert(name.to_owned(), Timestamp(at).rfc3339().into());
            }
        }
        detail.retain(|name, _| !matches!(name.as_str(), "at" | "what"));
        Self {
            at: row.at.into(),
            what: row.kind.clone(),
            detail,
        }
    }
}

impl MessageDetails {
    fn new(row: &OutboxRow, history: &[HistoryRow]) -> Self {
        let content = if row.redacted {
            serde_json::json!({"kind": "redacted"})
        } else {
            content::shape(&row.message.content)
        };
        Self {
            message: row.into(),
            content,
            reply_to: row.message.reply_to.clone(),
            metadata: row.message.metadata.iter().cloned().collect(),
            history: history.iter().map(HistoryEntry::from).collect(),
        }
    }
}

fn not_found() -> ApiError {
    ApiError::new(Code::NotFound, "there is no message of that id")
}

/// `GET /v1/messages/{id}`: a message with what it says and what happened to it.
async fn get(
    State(messages): State<Arc<dyn Messages>>,
    Path(id): Path<String>,
    _: NoParams,
) -> Result<Json<MessageDetails>, ApiError> {
    let (row, history) = messages.get(&OutboxId(id)).await?.ok_or_else(not_found)?;
    Ok(Json(MessageDetails::new(&row, &history)))
}

/// Which messages.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Search {
    /// Of this session.
    #[schemars(regex(pattern = "^[A-Za-z0-9_-]{1,64}$"))]
    session: Option<String>,
    /// In this state.
    state: Option<RowState>,
    /// To this recipient.
    to: Option<String>,
    /// Accepted at this time or later: RFC 3339, or milliseconds since the Unix epoch.
    #[schemars(with = "Option<AnyTime>")]
    since: Option<String>,
    /// Accepted before this time: RFC 3339, or milliseconds since the Unix epoch.
    #[schemars(with = "Option<AnyTime>")]
    until: Option<String>,
    /// The id of a message, or an `Idempotency-Key` of the caller; nothing else counts then.
    q: Option<String>,
    /// Rows of a page, 1 to 200; default 50.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u32>,
    /// The `next` of the page before.
    cursor: Option<i64>,
}

/// One page of messages, newest first.
#[derive(Debug, Serialize, JsonSchema)]
struct MessagePage {
    /// The messages.
    messages: Vec<Message>,
    /// Messages of the page that cannot be read: of another version of the gateway, or broken. Not
    /// in answers to `q`.
    #[serde(skip_serializing_if = "Option::is_none")]
    unreadable: Option<Vec<OutboxId>>,
    /// The `cursor` of the next page; null: this was the last one.
    next: Option<String>,
}

/// `GET /v1/messages`: one page of messages, newest first.
async fn list(
    State(messages): State<Arc<dyn Messages>>,
    State(sessions): State<Arc<dyn Sessions>>,
    State(defaults): State<Arc<Defaults>>,
    caller: Caller,
    Params(search): Params<Search>,
) -> Result<Json<MessagePage>, ApiError> {
    let shown = |rows: &[OutboxRow]| rows.iter().map(Message::from).collect();
    if let Some(words) = &search.q {
        let rows = messages.search(words, &caller.0).await?;
        return Ok(Json(MessagePage {
            messages: shown(&rows),
            unreadable: None,
            next: None,
        }));
    }
    let listed = messages
        .list(&filter(&*sessions, &defaults, search)?)
        .await?;
    // Rows of another version, or broken ones: said by name, so that nobody takes the page for
    // whole.
    let next = listed.next.map(|place| place.to_string());
    Ok(Json(MessagePage {
        messages: shown(&listed.rows),
        unreadable: Some(listed.unreadable),
        next,
    }))
}

fn filter(
    sessions: &dyn Sessions,
    defaults: &Defaults,
    search: Search,
) -> Result<Filter, ApiError> {
    let limit = search.limit.unwrap_or(PAGE);
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(ApiError::new(
            Code::InvalidQuery,
            format!("limit must be 1 to {MAX_PAGE}"),
        ));
    }
    Ok(Filter {
        client: search
            .session
            .as_deref()
            .map(|id| session(sessions, id))
            .transpose()?,
        state: search.state,
        to: search
            .to
            .as_deref()
            .map(|to| recipient::read(defaults.region, to))
            .transpose()?,
        since: time("since", search.since)?,
        until: time("until", search.until)?,
        before: search.cursor,
        limit,
    })
}

/// A session that is there.
fn session(sessions: &dyn Sessions, id: &str) -> Result<ClientId, ApiError> {
    let client: ClientId = id.parse()?;
    find(sessions, &client)?;
    Ok(client)
}

/// Why a message was not changed; `verb` is what it was told.
fn unchanged(error: ChangeError, verb: &str) -> ApiError {
    let state = match error {
        ChangeError::Missing => return not_found(),
        ChangeError::Store(error) => return error.into(),
        ChangeError::BodyGone => {
            let detail = format!(
                "the message cannot be told to {verb}: what it said was deleted after its time ([storage] keep_bodies)"
            );
            return ApiError::new(Code::BodyGone, detail);
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
    ApiError::new(
        Code::WrongState,
        format!("the message cannot be told to {verb}: {why}"),
    )
    .with("state", state.as_str())
}

/// `POST /v1/messages/{id}/cancel`: takes a message back; only one that has not begun.
async fn cancel(
    State(messages): State<Arc<dyn Messages>>,
    Path(id): Path<String>,
    _: NoParams,
) -> Result<Json<Message>, ApiError> {
    let row = messages
        .cancel(&OutboxId(id))
        .await
        .map_err(|error| unchanged(error, "cancel"))?;
    Ok(Json(Message::from(&row)))
}

/// `POST /v1/messages/{id}/retry`: takes a message up again; only one that has not left.
async fn retry(
    State(messages): State<Arc<dyn Messages>>,
    Path(id): Path<String>,
    _: NoParams,
) -> Result<(StatusCode, Json<Message>), ApiError> {
    let row = messages
        .retry(&OutboxId(id))
        .await
        .map_err(|error| unchanged(error, "retry"))?;
    Ok((StatusCode::ACCEPTED, Json(Message::from(&row))))
}

/// Which messages are taken back: both must be said, so that nobody empties more than they meant.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Purge {
    /// Of this session.
    #[schemars(regex(pattern = "^[A-Za-z0-9_-]{1,64}$"))]
    session: Option<String>,
    /// In this state: `queued`, nothing else can be purged.
    state: Option<RowState>,
}

/// How many messages were taken back.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PurgedMessages")]
struct Purged {
    /// Of which session.
    session: ClientId,
    /// How many.
    cancelled: u64,
}

/// `DELETE /v1/messages?state=queued&session=`: takes back every message of a session that has not
/// begun.
async fn purge(
    State(messages): State<Arc<dyn Messages>>,
    State(sessions): State<Arc<dyn Sessions>>,
    Params(purge): Params<Purge>,
) -> Result<Json<Purged>, ApiError> {
    let (Some(id), Some(RowState::Queued)) = (purge.session, purge.state) else {
        let detail = "say ?state=queued&session=<id>: only what waits can be purged, and of one session at a time";
        return Err(ApiError::new(Code::InvalidQuery, detail));
    };
    let client = session(&*sessions, &id)?;
    let cancelled = messages.purge(&client).await?;
    Ok(Json(Purged {
        session: client,
        cancelled,
    }))
}
