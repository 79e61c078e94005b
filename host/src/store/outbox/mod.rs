//! Rows of the outbox: what they are, and how one is read.

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

/// Names one accepted send: `out_` and a lower-case ULID.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct OutboxId(pub String);

impl fmt::Display for OutboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a send stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(type_name = "TEXT", rename_all = "snake_case")]
pub enum RowState {
    /// Committed; the page has not been touched for it.
    Queued,
    /// The page has been asked, or is about to be.
    Sending,
    /// It may have left; being found out.
    Unknown,
    /// WhatsApp's server has it.
    Sent,
    /// It will not leave.
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

/// One accepted send.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxRow {
    /// Order of acceptance.
    pub seq: i64,
    /// Its name.
    pub id: OutboxId,
    /// By which session.
    pub client: ClientId,
    /// WhatsApp's id of the message, made before anything else.
    pub message_id: MessageId,
    /// To whom, as it was asked for.
    pub recipient: Recipient,
    /// Whose chat it belongs to, within which sends keep their order: the recipient, or the number
    /// that is known to be behind their opaque id.
    pub queue: Recipient,
    /// What.
    pub message: OutboundMessage,
    /// Where it stands.
    pub state: RowState,
    /// Why it was not sent.
    pub code: Option<FailureCode>,
    /// For people.
    pub reason: Option<String>,
    /// The chat it went to.
    pub chat: Option<String>,
    /// The serialized key.
    pub message_key: Option<String>,
    /// WhatsApp's number of the last acknowledgement; 0: none.
    pub ack: i64,
    /// What goes first.
    pub priority: Priority,
    /// How often it was begun.
    pub attempt: i64,
    /// A queued one that failed for the moment is tried again then; 0: never failed. One of unknown
    /// outcome is asked about then.
    pub retry_at: Timestamp,
    /// Not to be begun after.
    pub expires_at: Option<Timestamp>,
    /// Nobody is asked about it any more: the profile that began it is gone, or it was asked about
    /// for long enough.
    pub profile_gone: bool,
    /// What it said was deleted.
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

/// How a send ends.
#[derive(Debug, Clone, PartialEq)]
pub enum Finish {
    /// With an outcome that stays.
    NotSent(FailureCode, String),
    /// Nobody knows yet.
    Unknown(String),
    /// Nobody will know any more, and nobody is asked.
    Lost(String),
}

/// Which of the sends that were begun are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubtful {
    /// Each that has no outcome, or one that may still be found out.
    All,
    /// Of those whose outcome is unknown only the ones that are to be asked about by then.
    Due(Timestamp),
}

/// Rows of a page of doubtful sends.
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

/// Where a send without an outcome can be: in the queue, not due yet, held by a restriction, a
/// budget or another account, with the page, or with an outcome that is being found out.
pub const QUEUE_PLACES: [&str; 5] = ["waiting", "scheduled", "held", "sending", "unknown"];

/// Puts what was set aside back to where it is looked at: this version may be able to read it.
pub(super) async fn look_again(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE outbox SET held = held - 4 WHERE held >= 4")
        .execute(connection)
        .await
        .map(drop)
}
