//! What is to be delivered, receiver by receiver.
//!
//! Never in the order of time alone: a receiver that is down would have the oldest rows and stand
//! before all others. Each receiver has a queue of its own, and a look costs the same however long
//! the queues are.

use std::collections::HashMap;

use sqlx::{Row, sqlite::SqliteRow};

use super::{Delivery, read, select};
use crate::{
    model::Envelope,
    store::{Store, StoreError},
};

impl Store {
    /// The beginning of each receiver's queue: up to `each` pending deliveries, what is due longest
    /// first. The receivers come in no particular order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn delivery_lines(&self, each: u32) -> Result<Vec<Delivery>, StoreError> {
        // One step of `receiver` finds the next one in the index, so that rows behind the first of
        // each are not read.
        let sql = select!(
            "(WITH RECURSIVE receiver (row) AS (
                SELECT (SELECT rowid FROM delivery WHERE state = 'pending' ORDER BY plugin, target LIMIT 1)
                UNION ALL
                SELECT coalesce(
                    (SELECT later.rowid FROM delivery AS here CROSS JOIN delivery AS later WHERE here.rowid = row
                        AND later.state = 'pending' AND later.plugin = here.plugin AND later.target > here.target
                        ORDER BY later.plugin, later.target LIMIT 1),
                    (SELECT later.rowid FROM delivery AS here CROSS JOIN delivery AS later WHERE here.rowid = row
                        AND later.state = 'pending' AND later.plugin > here.plugin
                        ORDER BY later.plugin, later.target LIMIT 1))
                FROM receiver WHERE row IS NOT NULL)
            SELECT plugin AS name, target AS receiver FROM receiver JOIN delivery ON delivery.rowid = receiver.row) AS line ",
            "CROSS JOIN delivery WHERE delivery.rowid IN (SELECT rowid FROM delivery WHERE state = 'pending' AND plugin = name
                AND target = receiver ORDER BY next_at LIMIT ?)"
        );
        let rows = sqlx::query(sql)
            .bind(each)
            .fetch_all(&mut *self.readers.get().await?)
            .await?;
        // One that cannot be read keeps no other from its receiver.
        let mut lines: Vec<_> = rows
            .iter()
            .filter_map(|row| {
                self.unreadable.ok_or_report(
                    "delivery",
                    || row.try_get("id").unwrap_or_default(),
                    read(row),
                )
            })
            .collect();
        // Within a receiver, the event that came first goes first where two are due at the same
        // moment.
        lines.sort_by_key(|delivery| (delivery.next_at, delivery.event_seq));
        Ok(lines)
    }

    /// Events by their places, each as it is or why it cannot be read; one that is gone is missing.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn envelopes(
        &self,
        seqs: &[i64],
    ) -> Result<HashMap<i64, Result<Envelope, String>>, StoreError> {
        let sql = "SELECT seq, envelope FROM event WHERE seq IN (SELECT value FROM json_each(?))";
        let rows = sqlx::query(sql)
            .bind(serde_json::to_string(seqs)?)
            .fetch_all(&mut *self.readers.get().await?)
            .await?;
        let one = |row: &SqliteRow| {
            let text: String = row.try_get("envelope")?;
            Ok((
                row.try_get("seq")?,
                serde_json::from_str(&text).map_err(|error| error.to_string()),
            ))
        };
        rows.iter().map(one).collect()
    }
}
