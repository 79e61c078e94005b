//! Events: what their messages say, then they themselves with their deliveries.

use super::{STEP, Throttle, list};
use crate::{
    model::{Timestamp, content::stored::REDACTED},
    store::{Store, StoreError},
};

/// Events looked at at a time.
const LOOKED_AT: i64 = 1000;

impl Store {
    /// Deletes what the messages of events from before `oldest` say, unless a delivery of the event
    /// is still to be made.
    pub(super) async fn redact_events(
        &self,
        oldest: Timestamp,
        throttle: &mut Throttle,
    ) -> Result<(), StoreError> {
        let find = "SELECT at, seq FROM event WHERE body = 1 AND at < ? AND (at, seq) > (?, ?) AND +seq <= (SELECT coalesce(min(seq), 0) FROM cursor) \
                    AND NOT EXISTS (SELECT 1 FROM delivery WHERE event_seq = event.seq AND state = 'pending') ORDER BY at, seq LIMIT ?";
        // Wherever an event has what a message says, and only there.
        let change = "UPDATE event SET body = 0, envelope = CASE WHEN json_valid(envelope) \
                      THEN json_replace(envelope, '$.event.content', json(?1), '$.event.message.content', json(?1)) ELSE '{}' END \
                      WHERE seq IN (SELECT value FROM json_each(?2)) \
                      AND NOT EXISTS (SELECT 1 FROM delivery WHERE event_seq = event.seq AND state = 'pending')";
        let mut after = (i64::MIN, i64::MIN);
        loop {
            let found = sqlx::query_as(find)
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

    /// Forgets events from before `oldest` that nobody waits for, with their deliveries. Dead
    /// letters keep their event. True: there was something.
    ///
    /// # Errors
    /// When the database refuses; what was forgotten until then stays forgotten.
    pub async fn prune_events(&self, oldest: Timestamp) -> Result<bool, StoreError> {
        // Nothing says which are the oldest but their place: the log is read from its beginning, as
        // far as it is old.
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

    /// Forgets which messages were told before `oldest`. True: there was something.
    ///
    /// # Errors
    /// When the database refuses; what was forgotten until then stays forgotten.
    pub async fn prune_inbound(&self, oldest: Timestamp) -> Result<bool, StoreError> {
        let sql = "DELETE FROM inbound WHERE (client, message_id) IN (SELECT client, message_id FROM inbound WHERE at < ? LIMIT ?)";
        let mut throttle = Throttle::begin();
        loop {
            if self
                .writer
                .statement_deferrable(sqlx::query(sql).bind(oldest.0).bind(STEP))
                .await?
                == 0
            {
                return Ok(throttle.went());
            }
            throttle.rest().await;
        }
    }
}
