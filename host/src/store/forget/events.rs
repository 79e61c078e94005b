//! Retention of events: first their message contents are deleted, later the events with their
//! deliveries.

use super::{STEP, Throttle, list};
use crate::{
    model::{Timestamp, content::stored::REDACTED},
    store::{Store, StoreError},
};

/// Events examined per query.
const LOOKED_AT: i64 = 1000;

/// Finds the events of [`Store::redact_events`].
pub(super) const WITH_BODY: &str = "SELECT at, seq FROM event WHERE body = 1 AND at < ? AND (at, seq) > (?, ?) AND +seq <= (SELECT coalesce(min(seq), 0) FROM cursor) \
                                    AND NOT EXISTS (SELECT 1 FROM delivery WHERE event_seq = event.seq AND state = 'pending') ORDER BY at, seq LIMIT ?";
/// See [`Store::prune_inbound`].
pub(super) const PRUNE_INBOUND: &str = "DELETE FROM inbound WHERE (client, message_id) IN (SELECT client, message_id FROM inbound WHERE at < ? LIMIT ?)";

impl Store {
    /// Deletes the message contents of events from before `oldest`, except of events with pending
    /// deliveries.
    pub(super) async fn redact_events(
        &self,
        oldest: Timestamp,
        throttle: &mut Throttle,
    ) -> Result<(), StoreError> {
        // `json_replace` changes these fields only where they exist.
        let change = "UPDATE event SET body = 0, envelope = CASE WHEN json_valid(envelope) \
                      THEN json_replace(envelope, '$.event.content', json(?1), '$.event.message.content', json(?1)) ELSE '{}' END \
                      WHERE seq IN (SELECT value FROM json_each(?2)) \
                      AND NOT EXISTS (SELECT 1 FROM delivery WHERE event_seq = event.seq AND state = 'pending')";
        let mut after = (i64::MIN, i64::MIN);
        loop {
            let found = sqlx::query_as(WITH_BODY)
                .bind(oldest.0)
                .bind(after.0)
                .bind(after.1)
                .bind(STEP);
            let found: Vec<(i64, i64)> = found.fetch_all(&mut *self.readers.get().await?).await?;
            let Some(last) = found.last() else {
                return Ok(());
            };
            after = *last;
            let seqs = list(&found.iter().map(|(_, seq)| *seq).collect::<Vec<_>>())?;
            self.writer
                .statement_deferrable(sqlx::query(change).bind(REDACTED).bind(seqs))
                .await?;
            throttle.rest().await;
        }
    }

    /// Deletes events from before `oldest` that are routed and have neither pending deliveries nor
    /// dead letters. Their other deliveries are deleted with them. Returns whether anything was
    /// deleted.
    ///
    /// # Errors
    /// When the database cannot be written; what was deleted until then stays deleted.
    pub async fn prune_events(&self, oldest: Timestamp) -> Result<bool, StoreError> {
        // There is no index by time, so the log is read from its beginning until a page has no old
        // events.
        let find = "SELECT seq, at < ?1, NOT EXISTS (SELECT 1 FROM delivery WHERE event_seq = event.seq AND state NOT IN ('delivered', 'stale')) \
                    FROM event WHERE seq > ?2 AND seq <= (SELECT coalesce(min(seq), 0) FROM cursor) ORDER BY seq LIMIT ?3";
        let (mut throttle, mut after) = (Throttle::begin(), 0);
        loop {
            let looked_at: Vec<(i64, bool, bool)> = sqlx::query_as(find)
                .bind(oldest.0)
                .bind(after)
                .bind(LOOKED_AT)
                .fetch_all(&mut *self.readers.get().await?)
                .await?;
            after = looked_at.last().map_or(after, |(seq, ..)| *seq);
            if !looked_at.iter().any(|(_, old, _)| *old) {
                return Ok(throttle.went());
            }
            let free: Vec<i64> = looked_at
                .iter()
                .filter(|(_, old, free)| *old && *free)
                .map(|(seq, ..)| *seq)
                .collect();
            for seqs in free.chunks(usize::from(STEP)) {
                self.forget_events(list(seqs)?).await?;
                throttle.rest().await;
            }
        }
    }

    async fn forget_events(&self, seqs: String) -> Result<(), StoreError> {
        let work = self.writer.write_deferrable(move |connection| {
            Box::pin(async move {
                let sql = "DELETE FROM delivery WHERE state IN ('delivered', 'stale') AND event_seq IN (SELECT value FROM json_each(?))";
                sqlx::query(sql).bind(&seqs).execute(&mut *connection).await?;
                let sql = "DELETE FROM event WHERE seq IN (SELECT value FROM json_each(?)) AND NOT EXISTS (SELECT 1 FROM delivery WHERE event_seq = event.seq)";
                sqlx::query(sql).bind(seqs).execute(connection).await?;
                Ok(())
            })
        });
        work.await
    }

    /// Deletes the records of inbound messages that were reported before `oldest`. Returns whether
    /// anything was deleted.
    ///
    /// # Errors
    /// When the database cannot be written; what was deleted until then stays deleted.
    pub async fn prune_inbound(&self, oldest: Timestamp) -> Result<bool, StoreError> {
        let mut throttle = Throttle::begin();
        loop {
            if self
                .writer
                .statement_deferrable(sqlx::query(PRUNE_INBOUND).bind(oldest.0).bind(STEP))
                .await?
                == 0
            {
                return Ok(throttle.went());
            }
            throttle.rest().await;
        }
    }
}
