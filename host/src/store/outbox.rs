//! Rows of the outbox. Every step is one guarded update, so that it happens once whoever asks for it.

use std::fmt;

use serde::{Deserialize, Serialize};
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{Store, StoreError, events};
use crate::model::{AckLevel, Address, ClientId, Envelope, FailureCode, MessageId, OutboundMessage, Outcome, PhoneNumber, Timestamp};

/// Names one accepted send: `out_` and a lower-case ULID.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OutboxId(pub String);

impl fmt::Display for OutboxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a send stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, sqlx::Type)]
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
    /// To whom.
    pub number: PhoneNumber,
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

/// A send to be stored.
#[derive(Debug, Clone)]
pub struct NewRow {
    /// Its name.
    pub id: OutboxId,
    /// By which session.
    pub client: ClientId,
    /// Made by us.
    pub message_id: MessageId,
    /// To whom.
    pub number: PhoneNumber,
    /// What.
    pub message: OutboundMessage,
    /// Not before.
    pub not_before: Timestamp,
    /// Scope, key and fingerprint of the request.
    pub idempotency: Option<(String, String, String)>,
}

/// What became of a send to be stored.
#[derive(Debug, Clone, PartialEq)]
pub enum Accept {
    /// Stored now.
    New,
    /// The key was used for the same request before.
    Known(OutboxId),
    /// The key was used for another request before.
    Reused,
}

/// As [`Accept`], with the row.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// The send's name.
    pub id: OutboxId,
    /// WhatsApp's id.
    pub message_id: MessageId,
    /// It was accepted under the same key before.
    pub known: bool,
}

/// How a send ends.
#[derive(Debug, Clone, PartialEq)]
pub enum Finish {
    /// With an outcome that stays.
    NotSent(FailureCode, String),
    /// Nobody knows yet.
    Unknown(String),
}

macro_rules! select {
    ($($rest:literal),+) => {
        concat!("SELECT seq, id, client, message_id, number, message, state, code, reason, chat, message_key, ack, created_at, updated_at FROM outbox ", $($rest),+)
    };
}

fn read(row: &SqliteRow) -> Result<OutboxRow, StoreError> {
    let json = |text: String| serde_json::from_str(&text);
    let code: Option<String> = row.try_get("code")?;
    let client: String = row.try_get("client")?;
    let number: String = row.try_get("number")?;
    Ok(OutboxRow {
        seq: row.try_get("seq")?,
        id: OutboxId(row.try_get("id")?),
        client: client.parse().map_err(|_| StoreError::Corrupt(format!("client id {client:?}")))?,
        message_id: MessageId(row.try_get("message_id")?),
        number: PhoneNumber::parse(&number, None).map_err(|error| StoreError::Corrupt(error.to_string()))?,
        message: json(row.try_get("message")?)?,
        state: row.try_get("state")?,
        code: code.map(|code| serde_json::from_value(code.into())).transpose()?,
        reason: row.try_get("reason")?,
        chat: row.try_get("chat")?,
        message_key: row.try_get("message_key")?,
        ack: row.try_get("ack")?,
        created_at: Timestamp(row.try_get("created_at")?),
        updated_at: Timestamp(row.try_get("updated_at")?),
    })
}

async fn existing(connection: &mut SqliteConnection, scope: &str, key: &str, fingerprint: &str) -> Result<Option<Accept>, StoreError> {
    let row = sqlx::query("SELECT fingerprint, outbox_id FROM idempotency WHERE scope = ? AND key = ?")
        .bind(scope)
        .bind(key)
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let same = row.try_get::<String, _>("fingerprint")? == fingerprint;
    Ok(Some(if same { Accept::Known(OutboxId(row.try_get("outbox_id")?)) } else { Accept::Reused }))
}

impl Store {
    /// What is stored under an idempotency key.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn idempotent(&self, scope: &str, key: &str, fingerprint: &str) -> Result<Option<Accept>, StoreError> {
        let mut connection = self.readers.acquire().await?;
        existing(&mut connection, scope, key, fingerprint).await
    }

    /// The commit point of a send. Of many at once with one key, one is stored.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn accept(&self, row: NewRow) -> Result<Accept, StoreError> {
        let message = serde_json::to_string(&row.message)?;
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let now = Timestamp::now().0;
                    if let Some((scope, key, fingerprint)) = &row.idempotency {
                        if let Some(known) = existing(connection, scope, key, fingerprint).await? {
                            return Ok(known);
                        }
                        sqlx::query("INSERT INTO idempotency (scope, key, fingerprint, outbox_id, created_at) VALUES (?, ?, ?, ?, ?)")
                            .bind(scope)
                            .bind(key)
                            .bind(fingerprint)
                            .bind(&row.id.0)
                            .bind(now)
                            .execute(&mut *connection)
                            .await?;
                    }
                    sqlx::query(
                        "INSERT INTO outbox (id, client, message_id, number, message, state, not_before, created_at, updated_at) \
                         VALUES (?, ?, ?, ?, ?, 'queued', ?, ?, ?)",
                    )
                    .bind(&row.id.0)
                    .bind(row.client.as_str())
                    .bind(&row.message_id.0)
                    .bind(row.number.digits())
                    .bind(message)
                    .bind(row.not_before.0)
                    .bind(now)
                    .bind(now)
                    .execute(connection)
                    .await?;
                    Ok(Accept::New)
                })
            })
            .await
    }

    /// One send.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn outbox_row(&self, id: &OutboxId) -> Result<Option<OutboxRow>, StoreError> {
        let row = sqlx::query(select!("WHERE id = ?")).bind(&id.0).fetch_optional(&self.readers).await?;
        row.as_ref().map(read).transpose()
    }

    /// The send with that WhatsApp id.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn outbox_by_message(&self, client: &ClientId, id: &MessageId) -> Result<Option<OutboxRow>, StoreError> {
        let row = sqlx::query(select!("WHERE client = ? AND message_id = ?")).bind(client.as_str()).bind(&id.0).fetch_optional(&self.readers).await?;
        row.as_ref().map(read).transpose()
    }

    /// The next send to begin: the oldest one that is due.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn next_queued(&self, client: &ClientId) -> Result<Option<OutboxRow>, StoreError> {
        let sql = select!("WHERE client = ? AND state = 'queued' AND not_before <= ? ORDER BY seq LIMIT 1");
        let row = sqlx::query(sql).bind(client.as_str()).bind(Timestamp::now().0).fetch_optional(&self.readers).await?;
        row.as_ref().map(read).transpose()
    }

    /// When the next queued send is due.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn next_due(&self, client: &ClientId) -> Result<Option<Timestamp>, StoreError> {
        let due: Option<i64> = sqlx::query_scalar("SELECT min(not_before) FROM outbox WHERE client = ? AND state = 'queued'")
            .bind(client.as_str())
            .fetch_one(&self.readers)
            .await?;
        Ok(due.map(Timestamp))
    }

    /// The oldest sends that have not begun, due or not; at most 500.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn queued(&self, client: &ClientId) -> Result<Vec<OutboxRow>, StoreError> {
        let rows = sqlx::query(select!("WHERE client = ? AND state = 'queued' ORDER BY seq LIMIT 500"))
            .bind(client.as_str())
            .fetch_all(&self.readers)
            .await?;
        rows.iter().map(read).collect()
    }

    /// Sends that were begun and have no outcome, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn begun(&self, client: &ClientId) -> Result<Vec<OutboxRow>, StoreError> {
        let sql = select!("WHERE client = ? AND state IN ('sending', 'unknown') ORDER BY seq");
        let rows = sqlx::query(sql).bind(client.as_str()).fetch_all(&self.readers).await?;
        rows.iter().map(read).collect()
    }

    /// How many sends were begun before `oldest` and have no outcome.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn unacknowledged(&self, client: &ClientId, oldest: Timestamp) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM outbox WHERE client = ? AND state IN ('sending', 'unknown') AND updated_at < ?";
        let count: i64 = sqlx::query_scalar(sql).bind(client.as_str()).bind(oldest.0).fetch_one(&self.readers).await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Takes over the sending of a session; whoever did it before can change nothing any more.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn lease(&self, client: &ClientId) -> Result<i64, StoreError> {
        let client = client.to_string();
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let sql = "INSERT INTO lease (client, token) VALUES (?, 1) ON CONFLICT (client) DO UPDATE SET token = token + 1 RETURNING token";
                    Ok(sqlx::query_scalar(sql).bind(client).fetch_one(connection).await?)
                })
            })
            .await
    }

    /// Begins a send: from here on the page may have it. False when it was cancelled meanwhile or the lease was lost.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn begin_send(&self, id: &OutboxId, chat: &str, message: &OutboundMessage, token: i64) -> Result<bool, StoreError> {
        let (id, chat, message) = (id.clone(), chat.to_owned(), serde_json::to_string(message)?);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let sql = "UPDATE outbox SET state = 'sending', chat = ?1, message = ?2, attempt = attempt + 1, token = ?3, updated_at = ?4 \
                               WHERE id = ?5 AND state = 'queued' AND ?3 = (SELECT token FROM lease WHERE lease.client = outbox.client)";
                    let done = sqlx::query(sql).bind(chat).bind(message).bind(token).bind(Timestamp::now().0).bind(id.0).execute(connection).await?;
                    Ok(done.rows_affected() == 1)
                })
            })
            .await
    }

    /// Puts a begun send back: the page has never had it. `not_before` delays a queued one.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn requeue(&self, id: &OutboxId, not_before: Timestamp) -> Result<(), StoreError> {
        let id = id.clone();
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let sql = "UPDATE outbox SET state = 'queued', not_before = ?, updated_at = ? WHERE id = ? AND state IN ('queued', 'sending', 'unknown')";
                    sqlx::query(sql).bind(not_before.0).bind(Timestamp::now().0).bind(id.0).execute(connection).await?;
                    Ok(())
                })
            })
            .await
    }

    /// Notes where the page has put a message.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn stored_as(&self, id: &OutboxId, address: &Address, key: &str) -> Result<(), StoreError> {
        let (id, chat, key) = (id.clone(), address.chat.clone(), key.to_owned());
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    sqlx::query("UPDATE outbox SET chat = ?, message_key = ? WHERE id = ?")
                        .bind(chat)
                        .bind(key)
                        .bind(id.0)
                        .execute(connection)
                        .await?;
                    Ok(())
                })
            })
            .await
    }

    /// Ends a send without an acknowledgement, if it is in one of the `from` states, and appends the event of that in
    /// the same commit. False when it was in none.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn finish(&self, id: &OutboxId, from: &'static [RowState], finish: Finish, event: Envelope) -> Result<bool, StoreError> {
        let id = id.clone();
        let (state, code, reason) = match finish {
            Finish::NotSent(code, reason) => (RowState::NotSent, Some(code.as_str()), reason),
            Finish::Unknown(reason) => (RowState::Unknown, None, reason),
        };
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let allowed = |state| from.contains(&state);
                    let sql = "UPDATE outbox SET state = ?, code = ?, reason = ?, updated_at = ? WHERE id = ? AND \
                               ((state = 'queued' AND ?) OR (state = 'sending' AND ?) OR (state = 'unknown' AND ?))";
                    let done = sqlx::query(sql)
                        .bind(state)
                        .bind(code)
                        .bind(reason)
                        .bind(Timestamp::now().0)
                        .bind(id.0)
                        .bind(allowed(RowState::Queued))
                        .bind(allowed(RowState::Sending))
                        .bind(allowed(RowState::Unknown))
                        .execute(&mut *connection)
                        .await?;
                    let ended = done.rows_affected() == 1;
                    if ended {
                        events::insert(connection, &event).await?;
                    }
                    Ok(ended)
                })
            })
            .await
    }

    /// Notes an acknowledgement and appends the events that `tell` makes of the row before, in one commit. Levels only
    /// rise: none when this is no news.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn acknowledge(
        &self,
        client: &ClientId,
        id: &MessageId,
        address: &Address,
        level: AckLevel,
        tell: impl FnOnce(&OutboxRow) -> Vec<Envelope> + Send + 'static,
    ) -> Result<Option<OutboxRow>, StoreError> {
        let (client, id, chat) = (client.clone(), id.clone(), address.chat.clone());
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let sql = select!("WHERE client = ? AND message_id = ? AND ack < ?");
                    let row = sqlx::query(sql).bind(client.as_str()).bind(&id.0).bind(level.number()).fetch_optional(&mut *connection).await?;
                    let Some(before) = row.as_ref().map(read).transpose()? else { return Ok(None) };
                    let key = before.message_key.clone().unwrap_or_else(|| format!("true_{chat}_{id}"));
                    // The time of the outcome is that of the first acknowledgement.
                    let sql = "UPDATE outbox SET ack = ?, updated_at = CASE state WHEN 'sent' THEN updated_at ELSE ? END, state = 'sent', code = NULL, \
                               reason = NULL, chat = ?, message_key = ? WHERE id = ?";
                    sqlx::query(sql)
                        .bind(level.number())
                        .bind(Timestamp::now().0)
                        .bind(chat)
                        .bind(key)
                        .bind(&before.id.0)
                        .execute(&mut *connection)
                        .await?;
                    for event in tell(&before) {
                        events::insert(connection, &event).await?;
                    }
                    Ok(Some(before))
                })
            })
            .await
    }

    /// An address that was looked up since `oldest`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn cached_address(&self, client: &ClientId, number: &PhoneNumber, oldest: Timestamp) -> Result<Option<Address>, StoreError> {
        let text: Option<String> = sqlx::query_scalar("SELECT address FROM address WHERE client = ? AND number = ? AND at >= ?")
            .bind(client.as_str())
            .bind(number.digits())
            .bind(oldest.0)
            .fetch_optional(&self.readers)
            .await?;
        Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
    }

    /// Remembers an address.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn cache_address(&self, client: &ClientId, number: &PhoneNumber, address: &Address) -> Result<(), StoreError> {
        let (client, number, address) = (client.to_string(), number.to_string(), serde_json::to_string(address)?);
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let sql = "INSERT OR REPLACE INTO address (client, number, address, at) VALUES (?, ?, ?, ?)";
                    sqlx::query(sql).bind(client).bind(number).bind(address).bind(Timestamp::now().0).execute(connection).await?;
                    Ok(())
                })
            })
            .await
    }

    /// Sends by state, for metrics.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn outbox_depth(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar("SELECT count(*) FROM outbox WHERE state IN ('queued', 'sending', 'unknown')").fetch_one(&self.readers).await?)
    }

    /// Forgets finished sends and keys older than these.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn prune_outbox(&self, rows: Timestamp, keys: Timestamp) -> Result<(), StoreError> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    sqlx::query("DELETE FROM idempotency WHERE created_at < ?").bind(keys.0).execute(&mut *connection).await?;
                    // A key's answer must outlive it.
                    let sql =
                        "DELETE FROM outbox WHERE state IN ('sent', 'not_sent') AND updated_at < ? AND id NOT IN (SELECT outbox_id FROM idempotency)";
                    sqlx::query(sql).bind(rows.0).execute(connection).await?;
                    Ok(())
                })
            })
            .await
    }
}
