//! What happened to a send, step by step. A step is written in the commit of what it tells of.

use serde_json::Value;
use sqlx::{Row, SqliteConnection};

use crate::{
    model::Timestamp,
    store::{Store, StoreError},
};

/// A step to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// `accepted`, `verdict`, `held`, `sending`, `requeued`, `unknown`, `not_sent`, `sent`, `ack` or `retried`.
    pub kind: &'static str,
    /// A JSON object; never the message's body.
    pub detail: Value,
}

/// A step that was written.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryRow {
    /// When.
    pub at: Timestamp,
    /// As in [`Step`].
    pub kind: String,
    /// As in [`Step`].
    pub detail: Value,
}

impl Step {
    /// A step.
    #[must_use]
    pub fn new(kind: &'static str, detail: Value) -> Self {
        Self { kind, detail }
    }
}

/// Writes a step. A step like the one before (a look-up that fails again and again) is not written twice.
pub(super) async fn note(connection: &mut SqliteConnection, message: i64, step: &Step) -> Result<(), StoreError> {
    let sql = "INSERT INTO message_history (message, step, at, kind, detail)
               SELECT ?1, coalesce(max(step), 0) + 1, ?2, ?3, ?4 FROM message_history WHERE message = ?1
               HAVING NOT EXISTS (SELECT 1 FROM (SELECT kind, detail FROM message_history WHERE message = ?1 ORDER BY step DESC LIMIT 1)
                                  WHERE kind = ?3 AND detail = ?4)";
    sqlx::query(sql).bind(message).bind(Timestamp::now().0).bind(step.kind).bind(step.detail.to_string()).execute(connection).await?;
    Ok(())
}

/// Writes steps of several messages (by their places), each message's in their order and each message once, in one
/// statement.
pub(super) async fn note_all(connection: &mut SqliteConnection, messages: &[(i64, Vec<Step>)]) -> Result<(), StoreError> {
    let numbered = |(message, steps): &(i64, Vec<Step>)| -> Vec<(i64, i64, &str, String)> {
        (1..).zip(steps).map(|(number, step)| (*message, number, step.kind, step.detail.to_string())).collect()
    };
    let rows: Vec<_> = messages.iter().flat_map(numbered).collect();
    let sql = "INSERT INTO message_history (message, step, at, kind, detail)
               SELECT value ->> 0, (SELECT coalesce(max(step), 0) FROM message_history WHERE message = value ->> 0) + (value ->> 1), ?, value ->> 2,
                      value ->> 3
               FROM json_each(?)";
    sqlx::query(sql).bind(Timestamp::now().0).bind(serde_json::to_string(&rows)?).execute(connection).await?;
    Ok(())
}

impl Store {
    /// The steps of a send, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn history(&self, message: i64) -> Result<Vec<HistoryRow>, StoreError> {
        let sql = "SELECT at, kind, detail FROM message_history WHERE message = ? ORDER BY step";
        let rows = sqlx::query(sql).bind(message).fetch_all(&mut *self.readers.get().await?).await?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            let detail = serde_json::from_str(&row.try_get::<String, _>("detail")?)?;
            Ok(HistoryRow { at: Timestamp(row.try_get("at")?), kind: row.try_get("kind")?, detail })
        };
        rows.iter().map(read).collect()
    }
}
