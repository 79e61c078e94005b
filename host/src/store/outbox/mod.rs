//! The outbox table: its rows and the queries on them.

mod accept;
mod acks;
mod find;
mod history;
mod kept;
mod list;
mod parked;
mod steps;
#[cfg(test)]
mod tests;
mod unreadable;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

pub(super) use accept::all as accept_all;
pub use accept::{Accept, Accepted, FastPath, NewRow};
pub use acks::Ack;
pub(super) use history::decision as decision_columns;
pub use history::{HistoryRow, Step};
pub(super) use kept::{hold_all, release_all};
pub use list::{Filter, Listed};
pub(super) use parked::unpark_known;
pub use steps::{Begin, Begun};

use super::error::StoreError;
use crate::model::{
    ClientId, FailureCode, InvalidRecipient, MessageId, OutboundMessage, Outcome, Priority,
    Recipient, Timestamp,
};

/// Identifies an accepted message: `out_` and a lower-case ULID.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct OutboxId(pub String);

impl fmt::Display for OutboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The state of an accepted message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "TEXT", rename_all = "snake_case")]
pub enum RowState {
    /// Accepted and stored; sending has not begun.
    Queued,
    /// The message was handed to the page, or is about to be.
    Sending,
    /// It may or may not have been sent; the gateway tries to find out.
    Unknown,
    /// WhatsApp's server has acknowledged it.
    Sent,
    /// It was not sent and will not be.
    NotSent,
}

impl RowState {
    /// The name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Unknown => "unknown",
            Self::Sent => "sent",
            Self::NotSent => "not_sent",
        }
    }
}

/// The outbox row of an accepted message.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxRow {
    /// Sequence number, in the order of acceptance.
    pub seq: i64,
    /// Its id, `out_…`.
    pub id: OutboxId,
    /// The session that sends it.
    pub client: ClientId,
    /// WhatsApp's id of the message, made by the gateway when it accepted the message.
    pub message_id: MessageId,
    /// The recipient as requested.
    pub recipient: Recipient,
    /// The queue it belongs to, in which the messages of one chat keep their order. Named by the
    /// recipient, or by the number that is known to be behind the recipient's opaque id.
    pub queue: Recipient,
    /// The message.
    pub message: OutboundMessage,
    /// Its state.
    pub state: RowState,
    /// Stable code of why it was not sent.
    pub code: Option<FailureCode>,
    /// The same as text for people; also why the outcome is unknown.
    pub reason: Option<String>,
    /// WhatsApp's id of the chat that it was handed to the page for.
    pub chat: Option<String>,
    /// WhatsApp's serialized message key, once the page has stored the message.
    pub message_key: Option<String>,
    /// WhatsApp's number of the highest acknowledgement; 0 if there is none.
    pub ack: i64,
    /// Its priority in the queue.
    pub priority: Priority,
    /// How often its sending has begun.
    pub attempt: i64,
    /// When a queued message that failed for the moment is tried again (0 means at once), or when
    /// the page is asked next about a message of unknown outcome.
    pub retry_at: Timestamp,
    /// Sending does not begin after this time.
    pub expires_at: Option<Timestamp>,
    /// The page is not asked about it any more, because the browser profile that sent it is gone or
    /// because it was asked for long enough.
    pub profile_gone: bool,
    /// Its content was deleted by retention.
    pub redacted: bool,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl OutboxRow {
    /// The outcome, once there is one.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        match self.state {
            RowState::Queued | RowState::Sending => None,
            RowState::Unknown => Some(Outcome::Unknown {
                reason: self.reason.clone().unwrap_or_default(),
            }),
            RowState::NotSent => Some(Outcome::NotSent {
                code: self.code.unwrap_or(FailureCode::PageError),
                reason: self.reason.clone().unwrap_or_default(),
            }),
            RowState::Sent => {
                let chat = self.chat.clone().unwrap_or_default();
                let message_key = self
                    .message_key
                    .clone()
                    .unwrap_or_else(|| format!("true_{chat}_{}", self.message_id));
                Some(Outcome::Sent {
                    message_key,
                    chat,
                    at: self.updated_at,
                })
            }
        }
    }
}

/// How a message ends without an acknowledgement.
#[derive(Debug, Clone, PartialEq)]
pub enum Finish {
    /// It was not sent. This is final.
    NotSent(FailureCode, String),
    /// The outcome is unknown; the page is asked about it.
    Unknown(String),
    /// The outcome is unknown for good; the page is not asked any more.
    Lost(String),
}

/// Selects messages whose sending has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubtful {
    /// All whose outcome is missing or may still be found out.
    All,
    /// As `All`, but of those of unknown outcome only the ones that are due to be asked about by
    /// this time.
    Due(Timestamp),
}

/// Rows that [`Store::begun`](super::Store::begun) returns at most.
pub const DOUBTS: usize = 200;
macro_rules! select {
    ($(also $column:literal;)? $($rest:literal),+) => {
        concat!(
            "SELECT seq, id, client, message_id, recipient, line, message, state, code, reason, chat, message_key, ack, priority, attempt, retry_at, ",
            "expires_at, profile_gone, redacted, created_at, updated_at", $(", ", $column,)? " FROM outbox ",
            $($rest),+
        )
    };
}
use select;

fn read(row: &SqliteRow) -> Result<OutboxRow, StoreError> {
    let json = |text: String| serde_json::from_str(&text);
    let code: Option<String> = row.try_get("code")?;
    let client: String = row.try_get("client")?;
    let who = |column: &str| -> Result<Recipient, StoreError> {
        row.try_get::<String, _>(column)?
            .parse()
            .map_err(|error: InvalidRecipient| StoreError::Corrupt(error.to_string()))
    };
    Ok(OutboxRow {
        seq: row.try_get("seq")?,
        id: OutboxId(row.try_get("id")?),
        client: client
            .parse()
            .map_err(|_| StoreError::Corrupt(format!("client id {client:?}")))?,
        message_id: MessageId(row.try_get("message_id")?),
        recipient: who("recipient")?,
        queue: who("line")?,
        message: json(row.try_get("message")?)?,
        state: row.try_get("state")?,
        code: code
            .map(|code| serde_json::from_value(code.into()))
            .transpose()?,
        reason: row.try_get("reason")?,
        chat: row.try_get("chat")?,
        message_key: row.try_get("message_key")?,
        ack: row.try_get("ack")?,
        priority: Priority::from_number(row.try_get("priority")?),
        attempt: row.try_get("attempt")?,
        retry_at: Timestamp(row.try_get("retry_at")?),
        expires_at: row.try_get::<Option<i64>, _>("expires_at")?.map(Timestamp),
        profile_gone: row.try_get("profile_gone")?,
        redacted: row.try_get("redacted")?,
        created_at: Timestamp(row.try_get("created_at")?),
        updated_at: Timestamp(row.try_get("updated_at")?),
    })
}

/// Places of messages without an outcome, as metrics name them: in the queue, scheduled, held (by a
/// restriction, a budget or a change of account), being sent, or of unknown outcome.
pub const QUEUE_PLACES: [&str; 5] = ["waiting", "scheduled", "held", "sending", "unknown"];

/// Puts rows that were set aside back, because this version may be able to read them.
pub(super) async fn look_again(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE outbox SET held = held - 4 WHERE held >= 4")
        .execute(connection)
        .await
        .map(drop)
}
