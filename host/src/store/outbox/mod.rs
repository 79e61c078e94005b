//! Rows of the outbox: what they are, and how they are found.

mod accept;
mod acks;
mod aside;
mod history;
mod kept;
mod list;
mod parked;
mod steps;
#[cfg(test)]
mod tests;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sqlx::{Row, sqlite::SqliteRow};

pub(super) use accept::all as accept_all;
pub use accept::{Accept, Accepted, NewRow, Shortcut};
pub use acks::Ack;
pub(super) use aside::look_again;
pub use history::{HistoryRow, Step};
pub(super) use kept::{hold_all, release_all};
pub use list::{Filter, Listed};
pub(super) use parked::unpark_known;
pub use steps::{Begin, Begun};

use super::{Store, StoreError};
use crate::model::{ClientId, FailureCode, InvalidRecipient, MessageId, OutboundMessage, Outcome, Priority, Recipient, Timestamp};

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
    /// In whose line it stands: the recipient, or the number that is known to be behind their opaque id.
    pub line: Recipient,
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
    /// A queued one that failed for the moment is tried again then; 0: never failed. One of unknown outcome is asked about
    /// then.
    pub retry_at: Timestamp,
    /// Not to be begun after.
    pub expires_at: Option<Timestamp>,
    /// Nobody is asked about it any more: the profile that began it is gone, or it was asked about for long enough.
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
            RowState::Unknown => Some(Outcome::Unknown { reason: self.reason.clone().unwrap_or_default() }),
            RowState::NotSent => {
                Some(Outcome::NotSent { code: self.code.unwrap_or(FailureCode::PageError), reason: self.reason.clone().unwrap_or_default() })
            }
            RowState::Sent => {
                let chat = self.chat.clone().unwrap_or_default();
                let message_key = self.message_key.clone().unwrap_or_else(|| format!("true_{chat}_{}", self.message_id));
                Some(Outcome::Sent { message_key, chat, at: self.updated_at })
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
/// No row is asked about later. One that seems to be was written before the clock went back.
const LONGEST_DOUBT: u64 = 3_600_000;

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
        row.try_get::<String, _>(column)?.parse().map_err(|error: InvalidRecipient| StoreError::Corrupt(error.to_string()))
    };
    Ok(OutboxRow {
        seq: row.try_get("seq")?,
        id: OutboxId(row.try_get("id")?),
        client: client.parse().map_err(|_| StoreError::Corrupt(format!("client id {client:?}")))?,
        message_id: MessageId(row.try_get("message_id")?),
        recipient: who("recipient")?,
        line: who("line")?,
        message: json(row.try_get("message")?)?,
        state: row.try_get("state")?,
        code: code.map(|code| serde_json::from_value(code.into())).transpose()?,
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

impl Store {
    /// One send.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn outbox_row(&self, id: &OutboxId) -> Result<Option<OutboxRow>, StoreError> {
        let row = sqlx::query(select!("WHERE id = ?")).bind(&id.0).fetch_optional(&mut *self.readers.get().await?).await?;
        row.as_ref().map(read).transpose()
    }

    /// The send with that WhatsApp id, once it was begun.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn outbox_by_message(&self, client: &ClientId, id: &MessageId) -> Result<Option<OutboxRow>, StoreError> {
        let row = sqlx::query(select!("WHERE client = ? AND message_id = ? AND attempt > 0"))
            .bind(client.as_str())
            .bind(&id.0)
            .fetch_optional(&mut *self.readers.get().await?)
            .await?;
        // News of one that cannot be read must not keep news of the others from being noted.
        Ok(row.as_ref().and_then(|row| self.named_aside(row)))
    }

    /// The next sends in line after a place in it: interactive ones first, then in the order of acceptance. Those whose
    /// time has not come are not in line.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn line(&self, client: &ClientId, after: Option<(Priority, i64)>, limit: u32) -> Result<Vec<OutboxRow>, StoreError> {
        let (priority, seq) = after.map_or((-1, -1), |(priority, seq)| (priority.number(), seq));
        let sql = select!("WHERE client = ? AND state = 'queued' AND held = 0 AND (priority, seq) > (?, ?) ORDER BY priority, seq LIMIT ?");
        loop {
            let rows = sqlx::query(sql).bind(client.as_str()).bind(priority).bind(seq).bind(limit).fetch_all(&mut *self.readers.get().await?).await?;
            // With one that is set aside there is room for another.
            if let Some(rows) = self.all_readable(&rows).await? {
                return Ok(rows);
            }
        }
    }

    /// Sends that have not begun, due or not; at most 500.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn queued(&self, client: &ClientId) -> Result<Vec<OutboxRow>, StoreError> {
        // One after the other: each has an index of its own.
        for sql in [
            select!("WHERE client = ? AND state = 'queued' AND held = 0 ORDER BY priority, seq LIMIT 500"),
            select!("WHERE client = ? AND state = 'queued' AND held = 2 ORDER BY priority, seq LIMIT 500"),
            select!("WHERE client = ? AND state = 'queued' AND held = 1 ORDER BY not_before LIMIT 500"),
            select!("WHERE client = ? AND state = 'queued' AND held = 3 ORDER BY priority, seq LIMIT 500"),
        ] {
            loop {
                let rows = sqlx::query(sql).bind(client.as_str()).fetch_all(&mut *self.readers.get().await?).await?;
                match self.all_readable(&rows).await? {
                    None => {}
                    Some(rows) if rows.is_empty() => break,
                    Some(rows) => return Ok(rows),
                }
            }
        }
        Ok(vec![])
    }

    /// Queued sends whose deadline is over; at most 500.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn expired(&self, client: &ClientId, now: Timestamp) -> Result<Vec<OutboxRow>, StoreError> {
        let sql = select!(
            "WHERE state = 'queued' AND expires_at IS NOT NULL AND expires_at <= ? AND client = ? AND held < 4 ORDER BY expires_at LIMIT 500"
        );
        let rows = sqlx::query(sql).bind(now.0).bind(client.as_str()).fetch_all(&mut *self.readers.get().await?).await?;
        self.readable(&rows).await
    }

    /// Whether a send waits for its time, and it has come.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn has_ripe(&self, now: Timestamp) -> Result<bool, StoreError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM outbox WHERE state = 'queued' AND held = 1 AND not_before <= ?)";
        Ok(sqlx::query_scalar(sql).bind(now.0).fetch_one(&mut *self.readers.get().await?).await?)
    }

    /// Notes that what was begun until now was begun by a profile that is gone.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn profile_gone(&self, client: &ClientId) -> Result<(), StoreError> {
        let sql = "UPDATE outbox SET profile_gone = 1 WHERE client = ? AND state IN ('sending', 'unknown') AND profile_gone = 0";
        self.writer.statement(sqlx::query(sql).bind(client.to_string())).await.map(drop)
    }

    /// Sends that were begun and have no outcome, or one that may still be found out, after a place; oldest first, at most
    /// 200.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn begun(&self, client: &ClientId, which: Doubtful, after: i64) -> Result<Vec<OutboxRow>, StoreError> {
        let by = match which {
            Doubtful::All => None,
            Doubtful::Due(at) => Some(at),
        };
        let sql = select!(
            "WHERE client = ?1 AND held < 4 AND seq > ?2 AND (state = 'sending' OR (state = 'unknown' AND profile_gone = 0 ",
            "AND (?3 IS NULL OR retry_at <= ?3 OR retry_at > ?4))) ORDER BY seq LIMIT ?5"
        );
        let rows = sqlx::query(sql)
            .bind(client.as_str())
            .bind(after)
            .bind(by.map(|at| at.0))
            .bind(by.map(|at| at.plus_millis(LONGEST_DOUBT).0))
            .bind(i64::try_from(DOUBTS).unwrap_or(i64::MAX))
            .fetch_all(&mut *self.readers.get().await?)
            .await?;
        self.readable(&rows).await
    }

    /// Whose sends were begun and have no outcome, or one that may still be found out.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn doubted_clients(&self) -> Result<Vec<ClientId>, StoreError> {
        let sql = "SELECT DISTINCT client FROM outbox WHERE state IN ('sending', 'unknown') AND profile_gone = 0";
        let clients: Vec<String> = sqlx::query_scalar(sql).fetch_all(&mut *self.readers.get().await?).await?;
        let read = |client: &String| client.parse().map_err(|_| StoreError::Corrupt(format!("client id {client:?}")));
        clients.iter().map(read).collect()
    }

    /// How many sends were begun before `oldest` and have no outcome yet.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn unacknowledged(&self, client: &ClientId, oldest: Timestamp) -> Result<u64, StoreError> {
        let sql =
            "SELECT count(*) FROM outbox WHERE client = ? AND state IN ('sending', 'unknown') AND profile_gone = 0 AND held < 4 AND updated_at < ?";
        let count: i64 = sqlx::query_scalar(sql).bind(client.as_str()).bind(oldest.0).fetch_one(&mut *self.readers.get().await?).await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// How many sends have no outcome.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn outbox_depth(&self) -> Result<i64, StoreError> {
        let sql = "SELECT (SELECT count(*) FROM outbox WHERE state = 'queued' AND held = 0) + (SELECT count(*) FROM outbox WHERE state = 'queued' AND held = 1)
                   + (SELECT count(*) FROM outbox WHERE state = 'queued' AND held = 2)
                   + (SELECT count(*) FROM outbox WHERE state = 'queued' AND held = 3)
                   + (SELECT count(*) FROM outbox WHERE state IN ('sending', 'unknown'))";
        Ok(sqlx::query_scalar(sql).fetch_one(&mut *self.readers.get().await?).await?)
    }

    /// How many sends have no outcome, by session and place: see [`QUEUE_PLACES`]. What is unknown for good has ended.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn queue_counts(&self) -> Result<Vec<(String, &'static str, u64)>, StoreError> {
        // Each part has an index of its own.
        let sql = "SELECT client, 0 AS place, count(*) AS n FROM outbox INDEXED BY outbox_queue WHERE state = 'queued' AND held = 0 GROUP BY client UNION ALL
                   SELECT client, 1, count(*) FROM outbox INDEXED BY outbox_held WHERE state = 'queued' AND held = 1 GROUP BY client UNION ALL
                   SELECT client, 2, count(*) FROM outbox INDEXED BY outbox_parked WHERE state = 'queued' AND held = 2 GROUP BY client UNION ALL
                   SELECT client, 2, count(*) FROM outbox INDEXED BY outbox_kept WHERE state = 'queued' AND held = 3 GROUP BY client UNION ALL
                   SELECT client, iif(state = 'sending', 3, 4), count(*) FROM outbox INDEXED BY outbox_begun
                   WHERE state IN ('sending', 'unknown') AND profile_gone = 0 AND held < 4 GROUP BY client, state";
        let mut counts: Vec<(String, &'static str, u64)> = Vec::new();
        for row in sqlx::query(sql).fetch_all(&mut *self.readers.get().await?).await? {
            let (client, place, n): (String, i64, i64) = (row.try_get("client")?, row.try_get("place")?, row.try_get("n")?);
            let place = usize::try_from(place).ok().and_then(|place| QUEUE_PLACES.get(place)).copied().unwrap_or_default();
            let n = u64::try_from(n).unwrap_or(0);
            match counts.iter_mut().find(|(whose, at, _)| *whose == client && *at == place) {
                Some((_, _, sum)) => *sum += n,
                None => counts.push((client, place, n)),
            }
        }
        Ok(counts)
    }
}

/// Where a send without an outcome can be: in line, not due yet, held by a restriction, a budget or another account, with
/// the page, or with an outcome that is being found out.
pub const QUEUE_PLACES: [&str; 5] = ["waiting", "scheduled", "held", "sending", "unknown"];
