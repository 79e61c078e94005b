//! Sends to strangers while none may go: they are out of the queue (`held = 2`), so that a look at
//! the queue costs the same however many of them wait. They come back in the order in which they
//! were accepted.

use std::collections::{HashMap, HashSet};

use serde_json::json;
use sqlx::SqliteConnection;

use super::history::{Step, note};
use crate::{
    model::{ClientId, InvalidRecipient, Priority, Recipient},
    store::{Store, StoreError},
};

impl Store {
    /// Takes sends out of the queue, by their places. Those whose recipient has become known
    /// meanwhile stay in it.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn park(
        &self,
        client: &ClientId,
        places: Vec<i64>,
        reason: &'static str,
    ) -> Result<(), StoreError> {
        let client = client.to_string();
        self.writer
            .write(move |connection| {
                Box::pin(async move {
                    let sql = "UPDATE outbox SET held = 2 WHERE seq IN (SELECT value FROM json_each(?1)) AND state = 'queued' AND held = 0
                               AND NOT EXISTS (SELECT 1 FROM acquaintance WHERE acquaintance.client = ?2 AND acquaintance.line = outbox.line)
                               RETURNING seq";
                    let parked: Vec<i64> =
                        sqlx::query_scalar(sql).bind(serde_json::to_string(&places)?).bind(client).fetch_all(&mut *connection).await?;
                    let step = Step::new("held", json!({"reason": reason}));
                    for seq in parked {
                        note(connection, seq, &step).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Puts the first parked sends of a session back into the queue.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn unpark(&self, client: &ClientId, limit: u32) -> Result<(), StoreError> {
        let sql = "UPDATE outbox SET held = 0 WHERE seq IN (SELECT seq FROM outbox WHERE client = ? AND state = 'queued' AND held = 2
                   ORDER BY priority, seq LIMIT ?)";
        self.writer
            .statement(sqlx::query(sql).bind(client.to_string()).bind(limit))
            .await
            .map(drop)
    }

    /// The first parked send of each of the chats, for each priority.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn first_parked(
        &self,
        client: &ClientId,
        lines: &HashSet<Recipient>,
    ) -> Result<HashMap<(Recipient, Priority), i64>, StoreError> {
        let sql = "SELECT line, priority, min(seq) FROM outbox WHERE client = ?1 AND state = 'queued' AND held = 2
                   AND line IN (SELECT value FROM json_each(?2)) GROUP BY line, priority";
        let rows: Vec<(String, i64, i64)> = sqlx::query_as(sql)
            .bind(client.as_str())
            .bind(serde_json::to_string(lines)?)
            .fetch_all(&mut *self.readers.get().await?)
            .await?;
        let read = |(line, priority, seq): (String, i64, i64)| {
            let line = line
                .parse()
                .map_err(|error: InvalidRecipient| StoreError::Corrupt(error.to_string()))?;
            Ok::<_, StoreError>(((line, Priority::from_number(priority)), seq))
        };
        let read = |row: (String, i64, i64)| {
            self.unreadable
                .ok_or_report("outbox", || row.0.clone(), read(row.clone()))
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }
}

/// The recipient of this chat is no stranger any more: what was parked for them is in the queue
/// again.
pub(in crate::store) async fn unpark_known(
    connection: &mut SqliteConnection,
    client: &str,
    line: &str,
) -> Result<(), StoreError> {
    let sql = "UPDATE outbox SET held = 0 WHERE client = ? AND state = 'queued' AND held = 2 AND line = ?";
    sqlx::query(sql)
        .bind(client)
        .bind(line)
        .execute(connection)
        .await?;
    Ok(())
}
