//! Taking up again, throwing away, giving up: what becomes of deliveries by a person's word or by
//! their age.
//!
//! In steps, because a receiver that was down for days may have a hundred thousand: others write in
//! between.

use std::time::Duration;

use tokio::time::sleep;

use super::{DeliveryFilter, DeliveryState};
use crate::{
    model::Timestamp,
    store::{Store, StoreError},
};

/// Rows of one step.
const STEP: u64 = 500;
/// Between two steps.
const REST: Duration = Duration::from_millis(5);

macro_rules! meant {
    () => {
        " AND (?1 IS NULL OR plugin = ?1) AND (?2 IS NULL OR target = ?2) AND (?3 IS NULL OR made_at >= ?3) AND (?4 IS NULL OR made_at < ?4)"
    };
}

impl Store {
    /// Makes one delivery due now, with all its attempts before it: a dead letter, or one that
    /// waits. False: it is neither.
    ///
    /// # Errors
    /// When the database refuses.
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

    /// As [`Store::retry_delivery`], all that `filter` means; its state is `dead`, unless it says
    /// `pending`. How many.
    ///
    /// # Errors
    /// When the database refuses; what was taken up until then is.
    pub async fn retry_deliveries(&self, filter: &DeliveryFilter) -> Result<u64, StoreError> {
        // What is due already is left as it is: each step finds others.
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

    /// Deletes one dead letter, or one that waits. False: it is neither.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn purge_delivery(&self, id: &str) -> Result<bool, StoreError> {
        let sql = "DELETE FROM delivery WHERE id = ? AND state IN ('dead', 'pending')";
        Ok(self
            .writer
            .statement(sqlx::query(sql).bind(id.to_owned()))
            .await?
            == 1)
    }

    /// Deletes all that `filter` means; its state is `dead`, unless it says `pending`. How many.
    ///
    /// # Errors
    /// When the database refuses; what was deleted until then is.
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

    /// Gives up what waits since before `oldest`: a receiver that never comes back does not fill
    /// the disk. How many.
    ///
    /// # Errors
    /// When the database refuses; what was given up until then is.
    pub async fn give_up_deliveries(&self, oldest: Timestamp) -> Result<u64, StoreError> {
        let sql = "UPDATE delivery SET state = 'dead', updated_at = ?1, \
                   reason = 'it waited longer than [delivery] max_age; last: ' || coalesce(reason, 'it was not tried') \
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

    /// Forgets dead letters that were given up before `oldest`. True: there were some.
    ///
    /// # Errors
    /// When the database refuses; what was forgotten until then stays forgotten.
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
