//! Rows of the outbox that cannot be read: written by another version, or broken. They are named, and taken out of the line
//! and of what the page is asked about (`held = 3`), so that nothing waits behind them. Each start looks at them again:
//! after an upgrade they may be readable.

use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::{OutboxRow, read};
use crate::{
    model::{ClientId, Timestamp},
    store::{Store, StoreError},
};

impl Store {
    /// The rows that can be read; the others are set aside.
    pub(super) async fn readable(&self, rows: &[SqliteRow]) -> Result<Vec<OutboxRow>, StoreError> {
        let (mut good, mut bad) = (Vec::with_capacity(rows.len()), Vec::new());
        for row in rows {
            match self.named_aside(row) {
                Some(row) => good.push(row),
                None => bad.push(row.try_get::<i64, _>("seq")?),
            }
        }
        if !bad.is_empty() {
            let sql = "UPDATE outbox SET held = 3 WHERE seq IN (SELECT value FROM json_each(?)) AND state IN ('queued', 'sending', 'unknown')";
            self.writer.statement(sqlx::query(sql).bind(serde_json::to_string(&bad)?)).await?;
        }
        Ok(good)
    }

    /// As [`Store::readable`]. None: some were set aside, so that others may be found in their places.
    pub(super) async fn all_readable(&self, rows: &[SqliteRow]) -> Result<Option<Vec<OutboxRow>>, StoreError> {
        let good = self.readable(rows).await?;
        Ok((good.len() == rows.len()).then_some(good))
    }

    /// A row. None: it cannot be read, and that is named.
    pub(super) fn named_aside(&self, row: &SqliteRow) -> Option<OutboxRow> {
        self.aside.readable("outbox", || row.try_get("id").unwrap_or_default(), read(row))
    }

    /// Ends the queued sends of a session that cannot be read, without an event: nobody can say what they were. How many
    /// those were.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn cancel_unreadable(&self, client: &ClientId, reason: &str) -> Result<u64, StoreError> {
        let sql =
            "UPDATE outbox SET state = 'not_sent', code = 'cancelled', reason = ?, updated_at = ? WHERE held = 3 AND client = ? AND state = 'queued'";
        self.writer.statement(sqlx::query(sql).bind(reason.to_owned()).bind(Timestamp::now().0).bind(client.to_string())).await
    }
}

/// Puts what was set aside back to where it is looked at.
pub(in crate::store) async fn look_again(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let sql = "UPDATE outbox SET held = (state = 'queued' AND not_before > ?) WHERE held = 3";
    sqlx::query(sql).bind(Timestamp::now().0).execute(connection).await.map(drop)
}
