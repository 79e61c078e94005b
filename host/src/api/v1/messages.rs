//! `/v1/messages`: lists, shows, cancels and retries accepted messages.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::history::HistoryEntry;
use crate::{
    api::{
        app::Defaults,
        caller::Caller,
        content::ShownContent,
        error::{ApiError, Code},
        extract::{NoParams, Params, time},
        openapi::{Operation, STORE},
        recipient,
        route::{Need::Of, Routes},
        session::find,
        time::{AnyTime, Time},
    },
    config::Scope::{Admin, Read, Send},
    model::{self, ClientId, FailureCode, MessageId, PhoneNumber, Priority, Recipient},
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
            Operation::new("listMessages", "One page of accepted messages, newest first, without their content")
                .more("A page examines at most 100,000 messages, so it may have fewer than `limit` and still a `next`; continue until `next` is null.")
                .refuses(&[Code::InvalidClientId, Code::UnknownClient, Code::InvalidNumber, Code::RecipientNotSupported, Code::InvalidTime])
                .refuses(STORE),
        )
        .delete(
            "/v1/messages",
            Of(Admin),
            purge,
            Operation::new("purgeMessages", "Cancels every message of a session that is not being sent yet")
                .more("Includes scheduled messages and recipients of bulk orders. Both parameters are required, so that nobody cancels more than they meant.")
                .refuses(&[Code::InvalidClientId, Code::UnknownClient])
                .refuses(STORE),
        )
        .get("/v1/messages/{id}", Of(Read), get, found("getMessage", "A message with its content and its history"))
        .post(
            "/v1/messages/{id}/cancel",
            Of(Send),
            cancel,
            found("cancelMessage", "Cancels a message that is not being sent yet").refuses(&[Code::WrongState]),
        )
        .post(
            "/v1/messages/{id}/retry",
            Of(Send),
            retry,
            found("retryMessage", "Queues a message again that is `not_sent`, under the same WhatsApp id")
                .status(StatusCode::ACCEPTED)
                .refuses(&[Code::WrongState, Code::BodyGone]),
        )
}

/// The default and the largest number of rows of a page.
const PAGE: u32 = 50;
const MAX_PAGE: u32 = 200;

/// An accepted message.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
    /// The gateway's id of the message, `out_…`.
    id: OutboxId,
    /// The session that sends it.
    session: ClientId,
    /// Its state.
    state: RowState,
    /// The chat that it was sent to, or is addressed to.
    to: String,
    /// The recipient as requested: the digits of a phone number, or the id of a chat.
    recipient: Recipient,
    /// The digits of the recipient's phone number, if it is known.
    number: Option<PhoneNumber>,
    /// The WhatsApp id of the message, which is assigned when it is accepted.
    message_id: MessageId,
    /// The WhatsApp key of the message, `true_<chat>_<id>`, once it has one.
    message_key: Option<String>,
    /// The last acknowledgement: 1 server, 2 device, 3 read, 4 played; 0 before the first one.
    ack: i64,
    /// Its outcome, once it has one.
    outcome: Option<Outcome>,
    /// Its priority in the queue.
    priority: Priority,
    /// How often sending was attempted.
    attempt: i64,
    /// When it is to be sent; null means at once.
    send_at: Option<Time>,
    /// Sending does not begin after this time.
    expires_at: Option<Time>,
    /// When it was accepted.
    created_at: Time,
    /// When it last changed.
    updated_at: Time,
}

/// The outcome of a message.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(
    tag = "outcome",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
#[schemars(rename = "MessageOutcome")]
enum Outcome {
    /// WhatsApp's server has acknowledged it.
    Sent {
        /// The WhatsApp key of the message, `true_<chat>_<id>`.
        message_key: String,
        /// The chat that it was sent to.
        chat: String,
        /// When the server's acknowledgement was received.
        at: Time,
    },
    /// It was not sent and will not be.
    NotSent {
        /// Why it was not sent, as a machine-readable code.
        code: FailureCode,
        /// Why it was not sent, for people.
        reason: String,
    },
    /// It may have been sent; the gateway determines this by its id.
    Unknown {
        /// Why the outcome is not known, for people.
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

/// A message with its content and its history.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct MessageDetails {
    #[serde(flatten)]
    message: Message,
    /// Its content with its `kind`, in the fields of a request; the kind is `redacted` once the
    /// content was deleted.
    content: ShownContent,
    /// The WhatsApp id of the message that it replies to.
    reply_to: Option<MessageId>,
    /// The caller's free-form pairs.
    metadata: BTreeMap<String, String>,
    /// Its history, oldest entry first.
    history: Vec<HistoryEntry>,
}

impl MessageDetails {
    fn new(row: &OutboxRow, history: &[HistoryRow]) -> Self {
        let content = if row.redacted {
            ShownContent::redacted()
        } else {
            ShownContent::new(&row.message.content)
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

/// `GET /v1/messages/{id}`: a message with its content and its history.
async fn get(
    State(messages): State<Arc<dyn Messages>>,
    Path(id): Path<String>,
    _: NoParams,
) -> Result<Json<MessageDetails>, ApiError> {
    let (row, history) = messages.get(&OutboxId(id)).await?.ok_or_else(not_found)?;
    Ok(Json(MessageDetails::new(&row, &history)))
}

/// A filter of messages.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Search {
    /// Only messages of this session.
    #[schemars(regex(pattern = "^[A-Za-z0-9_-]{1,64}$"))]
    session: Option<String>,
    /// Only messages in this state.
    state: Option<RowState>,
    /// Only messages to this recipient.
    to: Option<String>,
    /// Only messages accepted at this time or later: RFC 3339 or milliseconds since the Unix epoch.
    #[schemars(with = "Option<AnyTime>")]
    since: Option<String>,
    /// Only messages accepted before this time: RFC 3339 or milliseconds since the Unix epoch.
    #[schemars(with = "Option<AnyTime>")]
    until: Option<String>,
    /// Only the messages with this id or with this `Idempotency-Key` of the caller; all other
    /// parameters are ignored.
    q: Option<String>,
    /// The number of messages per page, 1 to 200; default 50.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u32>,
    /// The `next` of the previous page.
    cursor: Option<i64>,
}

/// One page of messages, newest first.
#[derive(Debug, Serialize, JsonSchema)]
struct MessagePage {
    /// The messages.
    messages: Vec<Message>,
    /// Messages of the page that cannot be read, because another version of the gateway wrote them
    /// or they are corrupt. Absent in responses to `q`.
    #[serde(skip_serializing_if = "Option::is_none")]
    unreadable: Option<Vec<OutboxId>>,
    /// The `cursor` of the next page; null after the last page.
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
    // Unreadable rows are listed by id, so that nobody takes the page for complete.
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

/// The id of a session that must exist.
fn session(sessions: &dyn Sessions, id: &str) -> Result<ClientId, ApiError> {
    let client: ClientId = id.parse()?;
    find(sessions, &client)?;
    Ok(client)
}

/// The error for a message that was not changed; `verb` is the requested change.
fn unchanged(error: ChangeError, verb: &str) -> ApiError {
    let state = match error {
        ChangeError::Missing => return not_found(),
        ChangeError::Store(error) => return error.into(),
        ChangeError::BodyGone => {
            let detail = format!(
                "cannot {verb} the message: its content was deleted at the end of its retention time ([storage] keep_bodies)"
            );
            return ApiError::new(Code::BodyGone, detail);
        }
        ChangeError::State(state) => state,
    };
    let why = match state {
        RowState::Unknown => {
            "it may have been sent, and the gateway is determining the outcome by its id"
        }
        RowState::Sent => "it was sent",
        RowState::Sending => "it is being sent",
        RowState::Queued => "it waits to be sent",
        RowState::NotSent => "it has ended without being sent",
    };
    ApiError::new(
        Code::WrongState,
        format!("cannot {verb} the message: {why}"),
    )
    .with("state", state.as_str())
}

/// `POST /v1/messages/{id}/cancel`: cancels a message that is not being sent yet.
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

/// `POST /v1/messages/{id}/retry`: queues a message again that was not sent.
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

/// The messages to cancel. Both parameters are required, so that nobody cancels more than they
/// meant.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Purge {
    /// Only messages of this session.
    #[schemars(regex(pattern = "^[A-Za-z0-9_-]{1,64}$"))]
    session: Option<String>,
    /// The state of the messages: always `queued`, because no others can be purged.
    state: Option<RowState>,
}

/// The number of cancelled messages.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "PurgedMessages")]
struct Purged {
    /// The session.
    session: ClientId,
    /// The number of cancelled messages.
    cancelled: u64,
}

/// `DELETE /v1/messages?state=queued&session=`: cancels every message of a session that is not
/// being sent yet.
async fn purge(
    State(messages): State<Arc<dyn Messages>>,
    State(sessions): State<Arc<dyn Sessions>>,
    Params(purge): Params<Purge>,
) -> Result<Json<Purged>, ApiError> {
    let (Some(id), Some(RowState::Queued)) = (purge.session, purge.state) else {
        let detail = "?state=queued&session=<id> is required: only queued messages can be purged, of one session at a time";
        return Err(ApiError::new(Code::InvalidQuery, detail));
    };
    let client = session(&*sessions, &id)?;
    let cancelled = messages.purge(&client).await?;
    Ok(Json(Purged {
        session: client,
        cancelled,
    }))
}
