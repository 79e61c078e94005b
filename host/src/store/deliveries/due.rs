//! Pending deliveries, receiver by receiver.
//!
//! Reading them by time alone would let a receiver that is down block all others, because it has
//! the oldest rows. So each receiver has a queue of its own. A query costs the same however long
//! the queues are.

use std::collections::HashMap;

use sqlx::{Row, sqlite::SqliteRow};

use super::{Delivery, read, select};
use crate::{
    model::Envelope,
    store::{Store, StoreError},
};

impl Store {
    /// The beginning of each receiver's queue: up to `each` pending deliveries per receiver. The
    /// result is sorted by due time.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn delivery_lines(&self, each: u32) -> Result<Vec<Delivery>, StoreError> {
        // Each step of `receiver` seeks the next receiver in the index, so that only one row of
        // each is read here.
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
        // An unreadable delivery does not block the others.
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
        // Deliveries that are due at the same time go in the order of their events.
        lines.sort_by_key(|delivery| (delivery.next_at, delivery.event_seq));
        Ok(lines)
    }

    /// Events by sequence number. An unreadable event has the reason instead; a deleted one is
    /// absent.
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
