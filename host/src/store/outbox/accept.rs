//! The commit point of sends, many at a time.
//!
//! A batch costs a handful of statements however many callers it serves. A row that cannot be stored does not take its
//! neighbours with it: the batch is undone to a savepoint and its rows are stored one by one.

use std::collections::HashSet;

use sqlx::{Row, SqliteConnection};

use super::{OutboxId, RowState, history::Step};
use crate::{
    model::{ClientId, MessageId, OutboundMessage, PhoneNumber, Priority, Timestamp},
    store::{Store, StoreError, many, savepoint::Savepoint},
};

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
    /// What; its `send_at` is when.
    pub message: OutboundMessage,
    /// What goes first.
    pub priority: Priority,
    /// Not to be begun after.
    pub expires_at: Option<Timestamp>,
    /// Scope, key and fingerprint of the request.
    pub idempotency: Option<(String, String, String)>,
    /// How it came here, oldest first.
    pub history: Vec<Step>,
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
    /// Where it stands.
    pub state: RowState,
    /// It was accepted under the same key before.
    pub known: bool,
}

impl Store {
    /// What is stored under an idempotency key.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn idempotent(&self, scope: &str, key: &str, fingerprint: &str) -> Result<Option<Accept>, StoreError> {
        let mut connection = self.readers.get().await?;
        existing(&mut connection, scope, key, fingerprint).await
    }

    /// The commit point of a send: on the disk when this returns. Of many at once with one key, one is stored.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when too many writes wait; when the database refuses.
    pub async fn accept(&self, row: NewRow) -> Result<Accept, StoreError> {
        self.writer.accept(row).await
    }
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

/// Stores a batch within the writer's transaction; the answers are in the order of the rows.
pub(in crate::store) async fn all(connection: &mut SqliteConnection, savepoint: &mut Savepoint, rows: &[NewRow]) -> Vec<Result<Accept, StoreError>> {
    match guarded(connection, savepoint, rows).await {
        Ok(answers) => answers.into_iter().map(Ok).collect(),
        Err(error) if rows.len() == 1 => vec![Err(error)],
        // No row is to blame for a full disk.
        Err(StoreError::Full) => rows.iter().map(|_| Err(StoreError::Full)).collect(),
        Err(_) => {
            let mut answers = Vec::with_capacity(rows.len());
            for row in rows {
                let answer = guarded(connection, savepoint, std::slice::from_ref(row)).await;
                answers.push(answer.and_then(|mut one| one.pop().ok_or_else(|| StoreError::Corrupt("a row without an answer".into()))));
            }
            answers
        }
    }
}

/// All rows or none.
async fn guarded(connection: &mut SqliteConnection, savepoint: &mut Savepoint, rows: &[NewRow]) -> Result<Vec<Accept>, StoreError> {
    savepoint.renew(connection).await?;
    let stored = together(connection, rows).await;
    if stored.is_err() {
        // Fails when a full disk has ended the transaction already; the first reason is the one to tell.
        let _ = savepoint.undo(connection).await;
    }
    stored
}

async fn together(connection: &mut SqliteConnection, rows: &[NewRow]) -> Result<Vec<Accept>, StoreError> {
    let now = Timestamp::now().0;
    let answers = keys(connection, rows, now).await?;
    let new: Vec<&NewRow> = rows.iter().zip(&answers).filter(|(_, answer)| **answer == Accept::New).map(|(row, _)| row).collect();
    if !new.is_empty() {
        messages(connection, &new, now).await?;
    }
    Ok(answers)
}

/// Takes the keys of the rows; whose key was taken before is told so.
async fn keys(connection: &mut SqliteConnection, rows: &[NewRow], now: i64) -> Result<Vec<Accept>, StoreError> {
    let mut wanted = Vec::new();
    for row in rows {
        if let Some((scope, key, fingerprint)) = &row.idempotency {
            wanted.push((scope, key, fingerprint, &row.id));
        }
    }
    if wanted.is_empty() {
        return Ok(vec![Accept::New; rows.len()]);
    }
    let sql = "INSERT INTO idempotency (scope, key, fingerprint, outbox_id, created_at)
               SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, ?2 FROM json_each(?1) WHERE true
               ON CONFLICT (scope, key) DO NOTHING RETURNING outbox_id";
    let taken: Vec<String> = sqlx::query_scalar(sql).bind(serde_json::to_string(&wanted)?).bind(now).fetch_all(&mut *connection).await?;
    let taken: HashSet<String> = taken.into_iter().collect();
    let mut answers = Vec::with_capacity(rows.len());
    for row in rows {
        answers.push(match &row.idempotency {
            Some((scope, key, fingerprint)) if !taken.contains(&row.id.0) => {
                let lost = || StoreError::Corrupt(format!("the idempotency key of {}", row.id));
                existing(connection, scope, key, fingerprint).await?.ok_or_else(lost)?
            }
            _ => Accept::New,
        });
    }
    Ok(answers)
}

/// The rows and how they came here.
async fn messages(connection: &mut SqliteConnection, rows: &[&NewRow], now: i64) -> Result<(), StoreError> {
    const HEAD: &str =
        "INSERT INTO outbox (id, client, message_id, number, state, priority, held, not_before, expires_at, created_at, updated_at, message)";
    let mut steps = Vec::with_capacity(rows.len() * 2);
    for piece in many::pieces(rows) {
        let mut insert = many::insert(HEAD, "(?,?,?,?,'queued',?,?,?,?,?,?,?)", piece.len());
        for row in piece {
            let not_before = row.message.send_at.map_or(0, |at| at.0);
            insert = insert.bind(&row.id.0).bind(row.client.as_str()).bind(&row.message_id.0).bind(row.number.digits());
            insert = insert.bind(row.priority.number()).bind(not_before > now).bind(not_before).bind(row.expires_at.map(|at| at.0));
            insert = insert.bind(now).bind(now).bind(serde_json::to_string(&row.message)?);
        }
        // Nobody else writes: their places follow each other.
        let after = insert.execute(&mut *connection).await?.last_insert_rowid() + 1;
        let first = after - i64::try_from(piece.len()).unwrap_or(0);
        for (seq, row) in (first..).zip(piece) {
            steps.extend((1_i64..).zip(&row.history).map(|(number, step)| (seq, number, step)));
        }
    }
    for piece in many::pieces(&steps) {
        let mut insert = many::insert("INSERT INTO message_history (message, step, at, kind, detail)", "(?,?,?,?,?)", piece.len());
        for (seq, number, step) in piece {
            insert = insert.bind(*seq).bind(*number).bind(now).bind(step.kind).bind(step.detail.to_string());
        }
        insert.execute(&mut *connection).await?;
    }
    Ok(())
}
