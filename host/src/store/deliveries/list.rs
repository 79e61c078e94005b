//! Listing deliveries for people: in pages, newest first.
//!
//! Dead letters have an index of their own. For the other states a page examines a bounded number
//! of rows, so it may be short or even empty although there is a next page.

use sqlx::{Row, sqlite::SqliteRow};

use super::{Delivery, DeliveryState, read, select};
use crate::{
    model::Timestamp,
    store::{Store, StoreError},
};

/// Rows that one page examines at most.
const LOOKED_AT: u32 = 100_000;

/// Selects deliveries. A field that is `None` matches all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// The notifier plugin.
    pub plugin: Option<String>,
    /// The receiver, by the notifier's name for it.
    pub target: Option<String>,
    /// The state.
    pub state: Option<DeliveryState>,
    /// Created at this time or later.
    pub since: Option<Timestamp>,
    /// Created before this time.
    pub until: Option<Timestamp>,
}

/// A page of deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryPage {
    /// Newest first.
    pub rows: Vec<Delivery>,
    /// `before` of the next page; `None` if this is the last one.
    pub next: Option<String>,
}

/// Number of pending and dead deliveries of a receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryCount {
    /// The notifier.
    pub plugin: String,
    /// Its name for the receiver.
    pub target: String,
    /// Deliveries that are still to be tried.
    pub pending: u64,
    /// Dead letters.
    pub dead: u64,
}

impl Store {
    /// One page of at most `limit` deliveries that are older than the delivery `before`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn deliveries(
        &self,
        filter: &DeliveryFilter,
        before: Option<&str>,
        limit: u32,
    ) -> Result<DeliveryPage, StoreError> {
        let dead = filter.state == Some(DeliveryState::Dead);
        let floor: Option<String> = if dead {
            None
        } else {
            let sql = "SELECT id FROM delivery WHERE (?1 IS NULL OR id < ?1) ORDER BY id DESC LIMIT 1 OFFSET ?2";
            sqlx::query_scalar(sql)
                .bind(before)
                .bind(LOOKED_AT - 1)
                .fetch_optional(&mut *self.readers.get().await?)
                .await?
        };
        // Without `INDEXED BY`, SQLite would scan all rows in the order of the result until it has
        // found enough dead ones.
        let sql = if dead {
            select!(
                "delivery INDEXED BY delivery_dead WHERE state = 'dead' AND (?1 IS NULL OR id < ?1) AND ?2 IS ?2 AND ?3 IS ?3 AND (?4 IS NULL OR plugin = ?4) ",
                "AND (?5 IS NULL OR target = ?5) AND (?6 IS NULL OR made_at >= ?6) AND (?7 IS NULL OR made_at < ?7) ORDER BY id DESC LIMIT ?8"
            )
        } else {
            select!(
                "delivery WHERE (?1 IS NULL OR id < ?1) AND (?2 IS NULL OR id >= ?2) AND (?3 IS NULL OR state = ?3) AND (?4 IS NULL OR plugin = ?4) ",
                "AND (?5 IS NULL OR target = ?5) AND (?6 IS NULL OR made_at >= ?6) AND (?7 IS NULL OR made_at < ?7) ORDER BY id DESC LIMIT ?8"
            )
        };
        let rows = sqlx::query(sql)
            .bind(before)
            .bind(&floor)
            .bind(filter.state)
            .bind(&filter.plugin)
            .bind(&filter.target)
            .bind(filter.since.map(|at| at.0))
            .bind(filter.until.map(|at| at.0))
            .bind(limit)
            .fetch_all(&mut *self.readers.get().await?)
            .await?;
        let full = rows.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
        let id = |row: &SqliteRow| row.try_get::<String, _>("id");
        let next = if full {
            rows.last().map(id).transpose()?
        } else {
            floor
        };
        let rows = rows
            .iter()
            .filter_map(|row| {
                self.unreadable
                    .ok_or_report("delivery", || id(row).unwrap_or_default(), read(row))
            })
            .collect();
        Ok(DeliveryPage { rows, next })
    }

    /// The delivery with an id, or `None` if there is none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn delivery(&self, id: &str) -> Result<Option<Delivery>, StoreError> {
        let row = sqlx::query(select!("delivery WHERE id = ?"))
            .bind(id)
            .fetch_optional(&mut *self.readers.get().await?)
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// Pending and dead deliveries by receiver. Receivers with neither are left out.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn delivery_counts(&self) -> Result<Vec<DeliveryCount>, StoreError> {
        let sql = "SELECT plugin, target, sum(pending) AS pending, sum(dead) AS dead FROM (
                   SELECT plugin, target, count(*) AS pending, 0 AS dead FROM delivery INDEXED BY delivery_line WHERE state = 'pending' GROUP BY plugin, target UNION ALL
                   SELECT plugin, target, 0, count(*) FROM delivery INDEXED BY delivery_dead WHERE state = 'dead' GROUP BY plugin, target)
                   GROUP BY plugin, target ORDER BY plugin, target";
        let rows = sqlx::query(sql)
            .fetch_all(&mut *self.readers.get().await?)
            .await?;
        let count = |row: &SqliteRow| {
            let number = |name| {
                row.try_get::<i64, _>(name)
                    .map(|count| u64::try_from(count).unwrap_or(0))
            };
            Ok(DeliveryCount {
                plugin: row.try_get("plugin")?,
                target: row.try_get("target")?,
                pending: number("pending")?,
                dead: number("dead")?,
            })
        };
        rows.iter().map(count).collect()
    }
}
