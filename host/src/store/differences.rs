//! Calls that the candidate of a plugin answered otherwise than the plugin.
//!
//! Of each plugin the newest [`KEPT`] are kept. The words of the answers are deleted with the
//! message's content, as those of decisions.

use sqlx::{Row, sqlite::SqliteRow};

use super::{Store, StoreError};
use crate::{model::Timestamp, plugins::Difference};

/// The most differences of one plugin.
pub(super) const KEPT: i64 = 1000;

const ADD: &str = "INSERT INTO candidate_difference (plugin, client, message, at, facts, details) VALUES (?, ?, ?, ?, ?, ?)";
pub(super) const BOUND: &str = "DELETE FROM candidate_difference WHERE plugin = ?1 AND id <= \
                                (SELECT id FROM candidate_difference WHERE plugin = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)";
pub(super) const PAGE: &str = "SELECT id, plugin, client, message, at, facts, details FROM candidate_difference \
                               WHERE plugin = ? AND id < ? ORDER BY id DESC LIMIT ?";

/// A stored difference.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredDifference {
    /// Its number, which grows.
    pub id: i64,
    /// When it was stored.
    pub at: Timestamp,
    /// The difference.
    pub difference: Difference,
}

impl Store {
    /// Stores a difference. Deletes the oldest of the plugin if there are too many.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn add_difference(&self, difference: &Difference) -> Result<(), StoreError> {
        self.place.check()?;
        let facts = serde_json::to_string(&difference.facts)?;
        let details = difference.details.as_ref().map(serde_json::to_string);
        let details = details.transpose()?;
        let (plugin, client, message) = (
            difference.plugin.clone(),
            difference.session.to_string(),
            difference.message.clone(),
        );
        let work = self.writer.write_deferrable(move |connection| {
            Box::pin(async move {
                sqlx::query(ADD)
                    .bind(&plugin)
                    .bind(client)
                    .bind(message)
                    .bind(Timestamp::now().0)
                    .bind(facts)
                    .bind(details)
                    .execute(&mut *connection)
                    .await?;
                sqlx::query(BOUND)
                    .bind(plugin)
                    .bind(KEPT)
                    .execute(connection)
                    .await?;
                Ok(())
            })
        });
        work.await
    }

    /// At most `limit` differences of a plugin that are older than the one with the number `before`,
    /// newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn differences(
        &self,
        plugin: &str,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<StoredDifference>, StoreError> {
        let rows = sqlx::query(PAGE)
            .bind(plugin)
            .bind(before.unwrap_or(i64::MAX))
            .bind(limit)
            .fetch_all(&mut *self.readers.get().await?)
            .await?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &SqliteRow) -> Result<StoredDifference, StoreError> {
    let client: String = row.try_get("client")?;
    let session = client
        .parse()
        .map_err(|_| StoreError::Corrupt(format!("client id {client:?}")))?;
    let details: Option<&str> = row.try_get("details")?;
    Ok(StoredDifference {
        id: row.try_get("id")?,
        at: Timestamp(row.try_get("at")?),
        difference: Difference {
            plugin: row.try_get("plugin")?,
            session,
            message: row.try_get("message")?,
            facts: serde_json::from_str(row.try_get("facts")?)?,
            details: details.map(serde_json::from_str).transpose()?,
        },
    })
}
