//! Messages that were accepted for another account than the session has now. They are out of the
//! queue (`held = 3`) until somebody releases or cancels them, and nothing waits for them.

use serde_json::json;
use sqlx::SqliteConnection;

use super::{
    OutboxRow,
    history::{Step, note_all},
    select,
};
use crate::{
    model::{ClientId, Timestamp},
    store::{Store, StoreError, script::Script},
};

/// Holds all queued messages of a session, whatever else holds them back.
pub(in crate::store) async fn hold_all(
    connection: &mut SqliteConnection,
    client: &str,
    rest: &mut Script,
) -> Result<(), StoreError> {
    let mut held = Vec::new();
    // One statement per value of `held`, because each has a partial index of its own.
    for sql in [
        "UPDATE outbox SET held = 3 WHERE client = ? AND state = 'queued' AND held = 0 RETURNING seq",
        "UPDATE outbox SET held = 3 WHERE client = ? AND state = 'queued' AND held = 2 RETURNING seq",
        "UPDATE outbox SET held = 3 WHERE client = ? AND state = 'queued' AND held = 1 RETURNING seq",
        // Those that cannot be read now are held for the same reason when they can be.
        "UPDATE outbox SET held = 7 WHERE client = ? AND state = 'queued' AND held >= 4 AND held < 7 RETURNING seq",
    ] {
        held.extend(
            sqlx::query_scalar::<_, i64>(sql)
                .bind(client)
                .fetch_all(&mut *connection)
                .await?,
        );
    }
    note(
        rest,
        held,
        &Step::new("held", json!({"reason": "account_changed"})),
    )
}

/// Releases the held messages of a session. Those whose time has not come stay scheduled, the
/// others enter the queue.
pub(in crate::store) async fn release_all(
    connection: &mut SqliteConnection,
    client: &str,
    now: Timestamp,
    rest: &mut Script,
) -> Result<(), StoreError> {
    let sql = "UPDATE outbox SET held = iif(not_before > ?, 1, 0) WHERE client = ? AND state = 'queued' AND held = 3 RETURNING seq";
    let released = sqlx::query_scalar(sql)
        .bind(now.0)
        .bind(client)
        .fetch_all(connection)
        .await?;
    note(rest, released, &Step::new("released", json!({})))
}

fn note(rest: &mut Script, messages: Vec<i64>, step: &Step) -> Result<(), StoreError> {
    if messages.is_empty() {
        return Ok(());
    }
    note_all(
        rest,
        &messages
            .into_iter()
            .map(|seq| (seq, vec![step.clone()]))
            .collect::<Vec<_>>(),
    )
}

impl Store {
    /// Messages that are held because they were accepted for another account; at most 500. Empty
    /// only if there are none that can be read.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn kept(&self, client: &ClientId) -> Result<Vec<OutboxRow>, StoreError> {
        let sql = select!(
            "WHERE client = ? AND state = 'queued' AND held = 3 ORDER BY priority, seq LIMIT 500"
        );
        loop {
            let rows = sqlx::query(sql)
                .bind(client.as_str())
                .fetch_all(&mut *self.readers.get().await?)
                .await?;
            // A row that was set aside must not keep the others from being cancelled.
            if let Some(rows) = self.all_readable(&rows).await? {
                return Ok(rows);
            }
        }
    }
}
