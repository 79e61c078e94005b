//! One message to many: stored whole in one commit, taken in recipient by recipient.

use sqlx::{Row, sqlite::SqliteRow};

use super::{
    Idempotency, OutboxId, RowState, Store, StoreError,
    idempotency::{self, Used},
};
use crate::model::{ClientId, InvalidRecipient, Recipient, Timestamp};

/// A bulk order to be stored.
#[derive(Debug, Clone)]
pub struct NewBulk {
    /// Its name.
    pub id: String,
    /// By which session.
    pub client: ClientId,
    /// What all have in common, JSON.
    pub wanted: String,
    /// Who, and variables (a JSON object) of each.
    pub recipients: Vec<(Recipient, String)>,
    /// So that a retry is not a second order.
    pub idempotency: Option<Idempotency>,
}

/// What became of a bulk order to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BulkAccept {
    /// Stored now.
    New,
    /// The key was used for the same request before.
    Known(String),
    /// The key was used for another request before.
    Reused,
}

impl From<Used> for BulkAccept {
    fn from(used: Used) -> Self {
        match used {
            Used::Same(id) => Self::Known(id),
            Used::Other => Self::Reused,
        }
    }
}

/// A recipient who has to be taken in.
#[derive(Debug, Clone, PartialEq)]
pub struct Pending {
    /// The order.
    pub bulk: i64,
    /// The order's name.
    pub id: String,
    /// By which session.
    pub client: ClientId,
    /// What all have in common, JSON.
    pub wanted: String,
    /// Counted from 0.
    pub place: i64,
    /// To whom.
    pub recipient: Recipient,
    /// A JSON object.
    pub variables: String,
}

/// A bulk order and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkReport {
    /// The order.
    pub seq: i64,
    /// By which session.
    pub client: ClientId,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// Recipients by `pending`, `refused` or the state of their message.
    pub counts: Vec<(String, i64)>,
}

/// What became of one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkRecipient {
    /// Counted from 0.
    pub place: i64,
    /// As it was asked for.
    pub recipient: String,
    /// Its message, once it is accepted.
    pub message: Option<OutboxId>,
    /// `pending`, `refused` or the state of the message.
    pub state: String,
    /// Why it was refused or not sent.
    pub code: Option<String>,
    /// For people.
    pub reason: Option<String>,
}

/// Recipients of the order ?1 with what became of them.
macro_rules! recipients {
    ($columns:literal, $rest:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM (SELECT place, r.recipient, r.outbox_id, coalesce(o.state, iif(r.code IS NOT NULL, 'refused', iif(r.outbox_id IS NULL, 'pending', 'forgotten'))) AS standing, ",
            "coalesce(r.code, o.code) AS why, coalesce(r.reason, o.reason) AS words FROM bulk_recipient r ",
            "LEFT JOIN outbox o ON o.id = r.outbox_id WHERE r.bulk = ?1) ",
            $rest
        )
    };
}

impl Store {
    /// The bulk order that is stored under a key. None: the key is new.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn known_order(&self, key: &Idempotency) -> Result<Option<BulkAccept>, StoreError> {
        Ok(idempotency::order(&mut *self.readers.get().await?, key)
            .await?
            .map(BulkAccept::from))
    }

    /// Stores an order, all of it or nothing.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn create_bulk(&self, new: NewBulk) -> Result<BulkAccept, StoreError> {
        let recipients: Vec<(&Recipient, &str)> = new
            .recipients
            .iter()
            .map(|(recipient, variables)| (recipient, variables.as_str()))
            .collect();
        let recipients = serde_json::to_string(&recipients)?;
        self.place.check()?;
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    if let Some(key) = &new.idempotency
                        && let Some(known) = idempotency::order(&mut *connection, key).await?
                    {
                        return Ok(known.into());
                    }
                    let key = new.idempotency.as_ref();
                    let sql = "INSERT INTO bulk (id, client, wanted, created_at, scope, key, fingerprint, written) VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
                    let done = sqlx::query(sql)
                        .bind(new.id)
                        .bind(new.client.as_str())
                        .bind(new.wanted)
                        .bind(Timestamp::now().0)
                        .bind(key.map(|key| &key.scope))
                        .bind(key.map(|key| &key.key))
                        .bind(key.map(|key| &key.fingerprint))
                        .bind(key.and_then(|key| key.written.as_ref()))
                        .execute(&mut *connection)
                        .await?;
                    let sql =
                        "INSERT INTO bulk_recipient (bulk, place, recipient, variables) SELECT ?2, key, value ->> 0, value ->> 1 FROM json_each(?1)";
                    sqlx::query(sql).bind(recipients).bind(done.last_insert_rowid()).execute(connection).await?;
                    Ok(BulkAccept::New)
                })
            })
            .await
    }

    /// Recipients who have to be taken in, in order; not those of orders that are held.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn pending(&self, limit: u32) -> Result<Vec<Pending>, StoreError> {
        let sql = "SELECT bulk, id, client, wanted, place, recipient, variables FROM bulk_recipient r JOIN bulk b ON b.seq = r.bulk \
                   WHERE r.outbox_id IS NULL AND r.code IS NULL AND b.kept = 0 ORDER BY r.bulk, r.place LIMIT ?";
        loop {
            let rows = sqlx::query(sql)
                .bind(limit)
                .fetch_all(&mut *self.readers.get().await?)
                .await?;
            let (mut good, mut bad) = (Vec::with_capacity(rows.len()), Vec::new());
            for row in &rows {
                let (bulk, place): (i64, i64) = (row.try_get("bulk")?, row.try_get("place")?);
                match self.unreadable.ok_or_report(
                    "bulk_recipient",
                    || format!("{bulk}/{place}"),
                    pending(row),
                ) {
                    Some(recipient) => good.push(recipient),
                    None => bad.push((bulk, place)),
                }
            }
            for (bulk, place) in &bad {
                self.taken_in(*bulk, *place, Err(unreadable())).await?;
            }
            if bad.is_empty() || !good.is_empty() {
                return Ok(good);
            }
        }
    }

    /// Notes what became of a recipient: the name of the message, or code and reason of the
    /// refusal. False: the recipient was cancelled meanwhile.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn taken_in(
        &self,
        bulk: i64,
        place: i64,
        done: Result<OutboxId, (String, String)>,
    ) -> Result<bool, StoreError> {
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let (message, refusal) = done.map_or_else(|refusal| (None, Some(refusal)), |id| (Some(id.0), None));
                    let (code, reason) = refusal.unzip();
                    let sql = "SELECT code IS NULL FROM bulk_recipient WHERE bulk = ? AND place = ?";
                    let wanted: bool = sqlx::query_scalar(sql).bind(bulk).bind(place).fetch_one(&mut *connection).await?;
                    // A message is named in any case: its state is what is true.
                    if wanted || message.is_some() {
                        let sql = "UPDATE bulk_recipient SET outbox_id = ?, code = ?, reason = ? WHERE bulk = ? AND place = ?";
                        sqlx::query(sql).bind(message).bind(code).bind(reason).bind(bulk).bind(place).execute(connection).await?;
                    }
                    Ok(wanted)
                })
            })
            .await
    }

    /// Takes nobody of an order in any more; how many those were.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn cancel_pending(&self, bulk: i64) -> Result<u64, StoreError> {
        let sql = "UPDATE bulk_recipient SET code = 'cancelled', reason = 'cancelled by the caller' \
                   WHERE bulk = ? AND outbox_id IS NULL AND code IS NULL";
        self.writer.statement(sqlx::query(sql).bind(bulk)).await
    }

    /// Takes nobody of a session's orders in any more; how many those were.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn cancel_pending_of(
        &self,
        client: &ClientId,
        reason: &str,
    ) -> Result<u64, StoreError> {
        let (client, reason) = (client.to_string(), reason.to_owned());
        let sql = "UPDATE bulk_recipient SET code = 'cancelled', reason = ? \
                   WHERE bulk IN (SELECT seq FROM bulk WHERE client = ?) AND outbox_id IS NULL AND code IS NULL";
        self.writer
            .statement(sqlx::query(sql).bind(reason).bind(client))
            .await
    }

    /// How far an order has come.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn bulk(&self, id: &str) -> Result<Option<BulkReport>, StoreError> {
        let row = sqlx::query("SELECT seq, client, created_at FROM bulk WHERE id = ?")
            .bind(id)
            .fetch_optional(&mut *self.readers.get().await?)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let seq: i64 = row.try_get("seq")?;
        let counts = sqlx::query_as(recipients!("standing, count(*)", "GROUP BY standing"))
            .bind(seq)
            .fetch_all(&mut *self.readers.get().await?)
            .await?;
        Ok(Some(BulkReport {
            seq,
            client: client(&row)?,
            created_at: Timestamp(row.try_get("created_at")?),
            counts,
        }))
    }

    /// What became of the recipients from a place on; those in one state only, if asked.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn bulk_recipients(
        &self,
        bulk: i64,
        state: Option<&str>,
        from: i64,
        limit: u32,
    ) -> Result<Vec<BulkRecipient>, StoreError> {
        let sql = recipients!(
            "*",
            "WHERE place >= ?2 AND (?3 IS NULL OR standing = ?3) ORDER BY place LIMIT ?4"
        );
        let rows = sqlx::query(sql)
            .bind(bulk)
            .bind(from)
            .bind(state)
            .bind(limit)
            .fetch_all(&mut *self.readers.get().await?)
            .await?;
        let read = |row: &SqliteRow| {
            Ok(BulkRecipient {
                place: row.try_get("place")?,
                recipient: row.try_get("recipient")?,
                message: row.try_get::<Option<String>, _>("outbox_id")?.map(OutboxId),
                state: row.try_get("standing")?,
                code: row.try_get("why")?,
                reason: row.try_get("words")?,
            })
        };
        rows.iter().map(read).collect()
    }

    /// Messages of an order that have not begun.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn bulk_queued(&self, bulk: i64) -> Result<Vec<OutboxId>, StoreError> {
        let rows = self
            .bulk_recipients(bulk, Some(RowState::Queued.as_str()), 0, u32::MAX)
            .await?;
        Ok(rows.into_iter().filter_map(|row| row.message).collect())
    }
}

fn client(row: &SqliteRow) -> Result<ClientId, StoreError> {
    let client: String = row.try_get("client")?;
    client
        .parse()
        .map_err(|_| StoreError::Corrupt(format!("client id {client:?}")))
}

/// Code and words of a recipient that cannot be read.
#[must_use]
pub fn unreadable() -> (String, String) {
    ("unreadable".into(), "the gateway cannot read this recipient or its order: written by another version, or broken".into())
}

fn pending(row: &SqliteRow) -> Result<Pending, StoreError> {
    let recipient: String = row.try_get("recipient")?;
    Ok(Pending {
        bulk: row.try_get("bulk")?,
        id: row.try_get("id")?,
        client: client(row)?,
        wanted: row.try_get("wanted")?,
        place: row.try_get("place")?,
        recipient: recipient
            .parse()
            .map_err(|error: InvalidRecipient| StoreError::Corrupt(error.to_string()))?,
        variables: row.try_get("variables")?,
    })
}
