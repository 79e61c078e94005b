//! Retention of outgoing messages: first their contents are deleted, later the messages with their
//! history and idempotency keys, and what pacing has counted.

use super::{STEP, Throttle, list};
use crate::{
    model::{Timestamp, content::stored::REDACTED},
    store::{Store, StoreError},
};

/// Condition of messages whose state is final. Must be the same as in the index `outbox_done`.
macro_rules! over {
    () => {
        "(state IN ('sent', 'not_sent') OR (state IN ('sending', 'unknown') AND profile_gone = 1))"
    };
}

/// See [`Store::redact_sends`].
pub(super) const REDACT: &str = concat!(
    "UPDATE outbox SET redacted = 1, message = CASE WHEN json_valid(message) THEN json_set(message, '$.content', json(?)) ELSE '{}' END WHERE seq IN (SELECT seq FROM outbox WHERE redacted = 0 AND ",
    over!(),
    " AND updated_at < ? ORDER BY updated_at LIMIT ?)"
);
/// See [`Store::prune_sends`].
pub(super) const OVER: &str = concat!(
    "SELECT updated_at, seq FROM outbox WHERE redacted = ? AND ",
    over!(),
    " AND updated_at < ? AND (updated_at, seq) > (?, ?) AND NOT EXISTS (SELECT 1 FROM idempotency WHERE outbox_id = outbox.id) ",
    "ORDER BY updated_at, seq LIMIT ?"
);
/// See [`Store::prune_keys`].
pub(super) const PRUNE_KEYS: &str = "DELETE FROM idempotency WHERE (scope, key) IN (SELECT scope, key FROM idempotency WHERE created_at < ? LIMIT ?)";

/// See [`Store::prune_paced`].
pub(super) const PRUNE_PACED: &str = "DELETE FROM paced WHERE (client, at, message) IN (SELECT client, at, message FROM paced WHERE at < ? LIMIT ?)";

impl Store {
    /// Deletes the contents of some messages that ended before `oldest`. Returns `false` if there
    /// were none.
    pub(in crate::store) async fn redact_sends(
        &self,
        oldest: Timestamp,
    ) -> Result<bool, StoreError> {
        Ok(self
            .writer
            .statement_deferrable(sqlx::query(REDACT).bind(REDACTED).bind(oldest.0).bind(STEP))
            .await?
            > 0)
    }

    /// Deletes idempotency keys older than `keys`, and messages that ended before `rows` with their
    /// history. A message stays as long as a key refers to it. Also deletes bulk orders older than
    /// `rows` whose messages are all deleted, and decisions about messages that were refused before
    /// `rows`. Returns whether anything was deleted.
    ///
    /// # Errors
    /// When the database cannot be written; what was deleted until then stays deleted.
    pub async fn prune_outbox(&self, rows: Timestamp, keys: Timestamp) -> Result<bool, StoreError> {
        let mut throttle = Throttle::begin();
        while self.prune_keys(keys).await? {
            throttle.rest().await;
        }
        // The contents of the oldest messages are usually deleted already.
        for redacted in [true, false] {
            self.prune_sends(rows, redacted, &mut throttle).await?;
        }
        self.prune_orders(rows, &mut throttle).await?;
        self.prune_refusals(rows, &mut throttle).await?;
        Ok(throttle.went())
    }

    /// Deletes what pacing has counted before `oldest`.
    ///
    /// # Errors
    /// When the database cannot be written; what was deleted until then stays deleted.
    pub async fn prune_paced(&self, oldest: Timestamp) -> Result<(), StoreError> {
        let mut throttle = Throttle::begin();
        while self.prune_counts(oldest).await? {
            throttle.rest().await;
        }
        Ok(())
    }

    /// One step of [`Store::prune_paced`]. Returns `false` if there was nothing to delete.
    pub(super) async fn prune_counts(&self, oldest: Timestamp) -> Result<bool, StoreError> {
        Ok(self
            .writer
            .statement_deferrable(sqlx::query(PRUNE_PACED).bind(oldest.0).bind(STEP))
            .await?
            > 0)
    }

    async fn prune_keys(&self, oldest: Timestamp) -> Result<bool, StoreError> {
        Ok(self
            .writer
            .statement_deferrable(sqlx::query(PRUNE_KEYS).bind(oldest.0).bind(STEP))
            .await?
            > 0)
    }

    async fn prune_sends(
        &self,
        oldest: Timestamp,
        redacted: bool,
        throttle: &mut Throttle,
    ) -> Result<(), StoreError> {
        let mut after = (i64::MIN, i64::MIN);
        loop {
            let found = sqlx::query_as(OVER)
                .bind(redacted)
                .bind(oldest.0)
                .bind(after.0)
                .bind(after.1)
                .bind(STEP);
            let found: Vec<(i64, i64)> = found.fetch_all(&mut *self.readers.get().await?).await?;
            let Some(last) = found.last() else {
                return Ok(());
            };
            after = *last;
            self.forget_sends(found.iter().map(|(_, seq)| *seq).collect())
                .await?;
            throttle.rest().await;
        }
    }

    /// Deletes those of the messages that are still final and that no idempotency key refers to.
    async fn forget_sends(&self, seqs: Vec<i64>) -> Result<(), StoreError> {
        let still = concat!(
            "SELECT seq FROM outbox WHERE seq IN (SELECT value FROM json_each(?)) AND +",
            over!(),
            " AND NOT EXISTS (SELECT 1 FROM idempotency WHERE outbox_id = outbox.id)"
        );
        let work = self.writer.write_deferrable(move |connection| {
            Box::pin(async move {
                let seqs: Vec<i64> = sqlx::query_scalar(still)
                    .bind(list(&seqs)?)
                    .fetch_all(&mut *connection)
                    .await?;
                let seqs = list(&seqs)?;
                let history =
                    "DELETE FROM message_history WHERE message IN (SELECT value FROM json_each(?))";
                sqlx::query(history)
                    .bind(&seqs)
                    .execute(&mut *connection)
                    .await?;
                sqlx::query("DELETE FROM outbox WHERE seq IN (SELECT value FROM json_each(?))")
                    .bind(seqs)
                    .execute(connection)
                    .await?;
                Ok(())
            })
        });
        work.await
    }
}
