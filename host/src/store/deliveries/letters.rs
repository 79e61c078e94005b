//! Retrying, purging and expiring deliveries, on request or because of their age.
//!
//! The work is done in small steps, so that other writes run in between: a receiver that was down
//! for days may have a hundred thousand deliveries.

use std::time::Duration;

use tokio::time::sleep;

use super::{DeliveryFilter, DeliveryState};
use crate::{
    model::Timestamp,
    store::{Store, StoreError},
};

/// Rows per step.
const STEP: u64 = 500;
/// Pause between two steps.
const REST: Duration = Duration::from_millis(5);

macro_rules! meant {
    () => {
        " AND (?1 IS NULL OR plugin = ?1) AND (?2 IS NULL OR target = ?2) AND (?3 IS NULL OR made_at >= ?3) AND (?4 IS NULL OR made_at < ?4)"
    };
}

impl Store {
    /// Makes a dead letter or a pending delivery due now, and resets its number of attempts.
    /// Returns `false` if there is no such delivery or it is neither.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn retry_delivery(&self, id: &str) -> Result<bool, StoreError> {
        let sql = "UPDATE delivery SET state = 'pending', attempt = 0, next_at = ?1, waits_since = ?1, updated_at = ?1 \
                   WHERE id = ?2 AND state IN ('dead', 'pending')";
        Ok(self
            .writer
            .statement(
                sqlx::query(sql)
                    .bind(Timestamp::now().0)
                    .bind(id.to_owned()),
            )
            .await?
            == 1)
    }

    /// As [`Store::retry_delivery`], for all deliveries that match `filter`. Without the state
    /// `pending`, it selects dead letters. Pending deliveries that are due already are left as they
    /// are. Returns the number of deliveries that were changed.
    ///
    /// # Errors
    /// When the database cannot be written; what was changed until then stays changed.
    pub async fn retry_deliveries(&self, filter: &DeliveryFilter) -> Result<u64, StoreError> {
        // The condition excludes changed rows, so each step finds others.
        let sql = match filter.state {
            Some(DeliveryState::Pending) => concat!(
                "UPDATE delivery SET attempt = 0, next_at = ?5, waits_since = ?5, updated_at = ?5 WHERE id IN ",
                "(SELECT id FROM delivery INDEXED BY delivery_line WHERE state = 'pending' AND next_at > ?5",
                meant!(),
                " LIMIT ?6)"
            ),
            _ => concat!(
                "UPDATE delivery SET state = 'pending', attempt = 0, next_at = ?5, waits_since = ?5, updated_at = ?5 WHERE id IN ",
                "(SELECT id FROM delivery INDEXED BY delivery_dead WHERE state = 'dead' AND updated_at <= ?5",
                meant!(),
                " LIMIT ?6)"
            ),
        };
        self.in_steps(sql, filter, Timestamp::now()).await
    }

    /// Deletes a dead letter or a pending delivery. Returns `false` if there is no such delivery or
    /// it is neither.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn purge_delivery(&self, id: &str) -> Result<bool, StoreError> {
        let sql = "DELETE FROM delivery WHERE id = ? AND state IN ('dead', 'pending')";
        Ok(self
            .writer
            .statement(sqlx::query(sql).bind(id.to_owned()))
            .await?
            == 1)
    }

    /// Deletes all deliveries that match `filter`. Without the state `pending`, it selects dead
    /// letters. Returns their number.
    ///
    /// # Errors
    /// When the database cannot be written; what was deleted until then stays deleted.
    pub async fn purge_deliveries(&self, filter: &DeliveryFilter) -> Result<u64, StoreError> {
        let sql = match filter.state {
            Some(DeliveryState::Pending) => concat!(
                "DELETE FROM delivery WHERE id IN (SELECT id FROM delivery INDEXED BY delivery_line WHERE state = 'pending' AND updated_at <= ?5",
                meant!(),
                " LIMIT ?6)"
            ),
            _ => {
                concat!(
                    "DELETE FROM delivery WHERE id IN (SELECT id FROM delivery INDEXED BY delivery_dead WHERE state = 'dead' AND updated_at <= ?5",
                    meant!(),
                    " LIMIT ?6)"
                )
            }
        };
        self.in_steps(sql, filter, Timestamp::now()).await
    }

    /// Turns deliveries that have been pending since before `oldest` into dead letters, so that a
    /// receiver that never comes back does not fill the disk. Returns their number.
    ///
    /// # Errors
    /// When the database cannot be written; what was given up until then stays so.
    pub async fn give_up_deliveries(&self, oldest: Timestamp) -> Result<u64, StoreError> {
        let sql = "UPDATE delivery SET state = 'dead', updated_at = ?1, \
                   reason = 'it waited longer than [delivery] max_age; last error: ' || coalesce(reason, 'none, it was never tried') \
                   WHERE id IN (SELECT id FROM delivery INDEXED BY delivery_line WHERE state = 'pending' AND waits_since < ?2 LIMIT ?3)";
        let mut all = 0;
        loop {
            let statement = sqlx::query(sql)
                .bind(Timestamp::now().0)
                .bind(oldest.0)
                .bind(i64::try_from(STEP).unwrap_or(i64::MAX));
            let some = self.writer.statement_deferrable(statement).await?;
            all += some;
            if some < STEP {
                return Ok(all);
            }
            sleep(REST).await;
        }
    }

    /// Deletes dead letters that were given up before `oldest`. Returns whether there were any.
    ///
    /// # Errors
    /// When the database cannot be written; what was deleted until then stays deleted.
    pub async fn prune_dead_letters(&self, oldest: Timestamp) -> Result<bool, StoreError> {
        let sql = "DELETE FROM delivery WHERE id IN (SELECT id FROM delivery INDEXED BY delivery_dead WHERE state = 'dead' AND updated_at < ? LIMIT ?)";
        let mut any = false;
        loop {
            let statement = sqlx::query(sql)
                .bind(oldest.0)
                .bind(i64::try_from(STEP).unwrap_or(i64::MAX));
            let some = self.writer.statement_deferrable(statement).await?;
            any |= some > 0;
            if some < STEP {
                return Ok(any);
            }
            sleep(REST).await;
        }
    }

    async fn in_steps(
        &self,
        sql: &'static str,
        filter: &DeliveryFilter,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut all = 0;
        loop {
            let statement = sqlx::query(sql)
                .bind(filter.plugin.clone())
                .bind(filter.target.clone())
                .bind(filter.since.map(|at| at.0))
                .bind(filter.until.map(|at| at.0))
                .bind(now.0)
                .bind(i64::try_from(STEP).unwrap_or(i64::MAX));
            let some = self.writer.statement(statement).await?;
            all += some;
            if some < STEP {
                return Ok(all);
            }
            sleep(REST).await;
        }
    }
}
