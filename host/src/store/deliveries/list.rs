//! Finding deliveries for people: newest first, in pages.
//!
//! Dead letters have an index of their own. For the other states a page looks at a bounded number
//! of rows, so it may be short or empty and still name a next one.

use sqlx::{Row, sqlite::SqliteRow};

use super::{Delivery, DeliveryState, read, select};
use crate::{
    model::Timestamp,
    store::{Store, StoreError},
};

/// Rows one page looks at.
const LOOKED_AT: u32 = 100_000;

/// Which deliveries are meant; what is none does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Of this notifier.
    pub plugin: Option<String>,
    /// To this receiver, as the notifier calls it.
    pub target: Option<String>,
    /// In this state.
    pub state: Option<DeliveryState>,
    /// Made then or later.
    pub since: Option<Timestamp>,
    /// Made before.
    pub until: Option<Timestamp>,
}

/// A page of deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryPage {
    /// Newest first.
    pub rows: Vec<Delivery>,
    /// Where the next page begins; none: this was the last.
    pub next: Option<String>,
}

/// How many deliveries of a receiver are in a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryCount {
    /// The notifier.
    pub plugin: String,
    /// Its name for the receiver.
    pub target: String,
    /// To be tried at their time.
    pub pending: u64,
    /// Dead letters.
    pub dead: u64,
}

impl Store {
    /// One page of deliveries, from `before` on.
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
        // Left to itself, SQLite would walk through all rows in the order of the answer until it
        // has seen enough dead ones.
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

    /// One delivery; none: there is none of that name.
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

    /// How much waits and how much is dead, by receiver; those with neither are left out.
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
