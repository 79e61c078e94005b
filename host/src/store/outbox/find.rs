//! Queries of outgoing messages: by id, the next ones in the queue, those without a known outcome;
//! and counts of them.

use serde_json::{Value, json};
use sqlx::Row;

use super::{
    Accept, DOUBTS, Doubtful, HistoryRow, OutboxId, OutboxRow, QUEUE_PLACES, read, select,
};
use crate::{
    model::{ClientId, MessageId, Priority, Timestamp},
    store::{Idempotency, Store, StoreError, idempotency},
};

/// Longest possible delay in milliseconds until a message of unknown outcome is asked about again.
/// A later time was written before the clock was set back, and is ignored.
const LONGEST_DOUBT: u64 = 3_600_000;

/// See [`Store::outbox_by_message`].
pub(super) const BY_MESSAGE: &str = select!("WHERE client = ? AND message_id = ? AND attempt > 0");
/// See [`Store::next_queued`].
pub(super) const NEXT_QUEUED: &str = select!(
    "WHERE client = ? AND state = 'queued' AND held = 0 AND (priority, seq) > (?, ?) ORDER BY priority, seq LIMIT ?"
);
/// See [`Store::expired`].
pub(super) const EXPIRED: &str = select!(
    "WHERE state = 'queued' AND expires_at IS NOT NULL AND expires_at <= ? AND client = ? AND held < 4 ORDER BY expires_at LIMIT 500"
);
/// See [`Store::has_ripe`].
pub(super) const RIPE: &str =
    "SELECT EXISTS (SELECT 1 FROM outbox WHERE state = 'queued' AND held = 1 AND not_before <= ?)";
/// See [`Store::begun`]. SQLite uses the index `outbox_begun` only if the condition of the index is
/// a term by itself, so `state IN …` must not be merged with what follows it.
pub(super) const IN_DOUBT: &str = select!(
    "WHERE client = ?1 AND held < 4 AND seq > ?2 AND state IN ('sending', 'unknown') ",
    "AND (state = 'sending' OR (profile_gone = 0 AND (?3 IS NULL OR retry_at <= ?3 OR retry_at > ?4))) ORDER BY seq LIMIT ?5"
);

impl Store {
    /// The message with an id, or `None` if there is none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn outbox_row(&self, id: &OutboxId) -> Result<Option<OutboxRow>, StoreError> {
        let row = sqlx::query(select!("WHERE id = ?"))
            .bind(&id.0)
            .fetch_optional(&mut *self.readers.get().await?)
            .await?;
        row.as_ref().map(read).transpose()
    }

    /// The message with a WhatsApp id, if its sending has begun. An unreadable row counts as
    /// missing.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn outbox_by_message(
        &self,
        client: &ClientId,
        id: &MessageId,
    ) -> Result<Option<OutboxRow>, StoreError> {
        let row = sqlx::query(BY_MESSAGE)
            .bind(client.as_str())
            .bind(&id.0)
            .fetch_optional(&mut *self.readers.get().await?)
            .await?;
        // An unreadable row must not prevent news of other messages from being recorded.
        Ok(row.as_ref().and_then(|row| self.readable_row(row)))
    }

    /// The next messages of a session's queue after a position in it: interactive ones first, then
    /// in the order of acceptance. Messages that are held, such as scheduled ones, are not in the
    /// queue.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn next_queued(
        &self,
        client: &ClientId,
        after: Option<(Priority, i64)>,
        limit: u32,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        let (priority, seq) = after.map_or((-1, -1), |(priority, seq)| (priority.number(), seq));
        loop {
            let rows = sqlx::query(NEXT_QUEUED)
                .bind(client.as_str())
                .bind(priority)
                .bind(seq)
                .bind(limit)
                .fetch_all(&mut *self.readers.get().await?)
                .await?;
            // Rows that were set aside make room for others.
            if let Some(rows) = self.all_readable(&rows).await? {
                return Ok(rows);
            }
        }
    }

    /// Queued messages of a session, due or not; at most 500. Empty only if there are none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn queued(&self, client: &ClientId) -> Result<Vec<OutboxRow>, StoreError> {
        // One query per value of `held`, because each has a partial index of its own.
        for sql in [
            select!(
                "WHERE client = ? AND state = 'queued' AND held = 0 ORDER BY priority, seq LIMIT 500"
            ),
            select!(
                "WHERE client = ? AND state = 'queued' AND held = 2 ORDER BY priority, seq LIMIT 500"
            ),
            select!(
                "WHERE client = ? AND state = 'queued' AND held = 1 ORDER BY not_before LIMIT 500"
            ),
            select!(
                "WHERE client = ? AND state = 'queued' AND held = 3 ORDER BY priority, seq LIMIT 500"
            ),
        ] {
            loop {
                let rows = sqlx::query(sql)
                    .bind(client.as_str())
                    .fetch_all(&mut *self.readers.get().await?)
                    .await?;
                match self.all_readable(&rows).await? {
                    None => {}
                    Some(rows) if rows.is_empty() => break,
                    Some(rows) => return Ok(rows),
                }
            }
        }
        Ok(vec![])
    }

    /// Queued messages whose deadline has passed; at most 500.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn expired(
        &self,
        client: &ClientId,
        now: Timestamp,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        let rows = sqlx::query(EXPIRED)
            .bind(now.0)
            .bind(client.as_str())
            .fetch_all(&mut *self.readers.get().await?)
            .await?;
        self.readable(&rows).await
    }

    /// Whether the time of a scheduled message, of any session, has come.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn has_ripe(&self, now: Timestamp) -> Result<bool, StoreError> {
        Ok(sqlx::query_scalar(RIPE)
            .bind(now.0)
            .fetch_one(&mut *self.readers.get().await?)
            .await?)
    }

    /// Messages whose sending has begun and whose outcome is missing or unknown but may still be
    /// found out. Oldest first, after the sequence number `after`, at most [`DOUBTS`]; fewer only if
    /// there are no more.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn begun(
        &self,
        client: &ClientId,
        which: Doubtful,
        after: i64,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        let by = match which {
            Doubtful::All => None,
            Doubtful::Due(at) => Some(at),
        };
        loop {
            let rows = sqlx::query(IN_DOUBT)
                .bind(client.as_str())
                .bind(after)
                .bind(by.map(|at| at.0))
                .bind(by.map(|at| at.plus_millis(LONGEST_DOUBT).0))
                .bind(i64::try_from(DOUBTS).unwrap_or(i64::MAX))
                .fetch_all(&mut *self.readers.get().await?)
                .await?;
            // Callers take a page with fewer rows for the last one.
            if let Some(rows) = self.all_readable(&rows).await? {
                return Ok(rows);
            }
        }
    }

    /// Sessions with messages whose sending has begun and whose outcome is missing or may still be
    /// found out.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn doubted_clients(&self) -> Result<Vec<ClientId>, StoreError> {
        let sql = "SELECT DISTINCT client FROM outbox WHERE state IN ('sending', 'unknown') AND profile_gone = 0";
        let clients: Vec<String> = sqlx::query_scalar(sql)
            .fetch_all(&mut *self.readers.get().await?)
            .await?;
        let read = |client: &String| {
            client
                .parse()
                .map_err(|_| StoreError::Corrupt(format!("client id {client:?}")))
        };
        clients.iter().map(read).collect()
    }

    /// Number of messages whose sending began before `oldest` and whose outcome is missing or may
    /// still be found out.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn unacknowledged(
        &self,
        client: &ClientId,
        oldest: Timestamp,
    ) -> Result<u64, StoreError> {
        let sql = "SELECT count(*) FROM outbox WHERE client = ? AND state IN ('sending', 'unknown') AND profile_gone = 0 AND held < 4 AND updated_at < ?";
        let count: i64 = sqlx::query_scalar(sql)
            .bind(client.as_str())
            .bind(oldest.0)
            .fetch_one(&mut *self.readers.get().await?)
            .await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    /// Number of messages that are queued, being sent or of unknown outcome.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn outbox_depth(&self) -> Result<i64, StoreError> {
        let sql = "SELECT (SELECT count(*) FROM outbox WHERE state = 'queued' AND held = 0) + (SELECT count(*) FROM outbox WHERE state = 'queued' AND held = 1)
                   + (SELECT count(*) FROM outbox WHERE state = 'queued' AND held = 2)
                   + (SELECT count(*) FROM outbox WHERE state = 'queued' AND held = 3)
                   + (SELECT count(*) FROM outbox WHERE state IN ('sending', 'unknown'))";
        Ok(sqlx::query_scalar(sql)
            .fetch_one(&mut *self.readers.get().await?)
            .await?)
    }

    /// Number of messages without an outcome, by session and by one of [`QUEUE_PLACES`]. A message
    /// that is unknown for good has ended and does not count.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn queue_counts(&self) -> Result<Vec<(String, &'static str, u64)>, StoreError> {
        // Each part uses a partial index of its own.
        let sql = "SELECT client, 0 AS place, count(*) AS n FROM outbox INDEXED BY outbox_queue WHERE state = 'queued' AND held = 0 GROUP BY client UNION ALL
                   SELECT client, 1, count(*) FROM outbox INDEXED BY outbox_held WHERE state = 'queued' AND held = 1 GROUP BY client UNION ALL
                   SELECT client, 2, count(*) FROM outbox INDEXED BY outbox_parked WHERE state = 'queued' AND held = 2 GROUP BY client UNION ALL
                   SELECT client, 2, count(*) FROM outbox INDEXED BY outbox_kept WHERE state = 'queued' AND held = 3 GROUP BY client UNION ALL
                   SELECT client, iif(state = 'sending', 3, 4), count(*) FROM outbox INDEXED BY outbox_begun
                   WHERE state IN ('sending', 'unknown') AND profile_gone = 0 AND held < 4 GROUP BY client, state";
        let mut counts: Vec<(String, &'static str, u64)> = Vec::new();
        for row in sqlx::query(sql)
            .fetch_all(&mut *self.readers.get().await?)
            .await?
        {
            let (client, place, n): (String, i64, i64) = (
                row.try_get("client")?,
                row.try_get("place")?,
                row.try_get("n")?,
            );
            let place = usize::try_from(place)
                .ok()
                .and_then(|place| QUEUE_PLACES.get(place))
                .copied()
                .unwrap_or_default();
            let n = u64::try_from(n).unwrap_or(0);
            match counts
                .iter_mut()
                .find(|(whose, at, _)| *whose == client && *at == place)
            {
                Some((_, _, sum)) => *sum += n,
                None => counts.push((client, place, n)),
            }
        }
        Ok(counts)
    }

    /// The message that is stored under a key, or `None` if the key is new.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn known_send(&self, key: &Idempotency) -> Result<Option<Accept>, StoreError> {
        Ok(idempotency::send(&mut *self.readers.get().await?, key)
            .await?
            .map(Accept::from))
    }

    /// The history of a message, oldest step first. `message` is its sequence number.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn history(&self, message: i64) -> Result<Vec<HistoryRow>, StoreError> {
        let sql = "SELECT at, kind, detail FROM message_history WHERE message = ? ORDER BY step";
        let rows = sqlx::query(sql)
            .bind(message)
            .fetch_all(&mut *self.readers.get().await?)
            .await?;
        let mut steps = Vec::with_capacity(rows.len() * 2);
        for row in &rows {
            let (at, kind, detail) = (
                Timestamp(row.try_get("at")?),
                row.try_get::<String, _>("kind")?,
                row.try_get::<&str, _>("detail")?,
            );
            let together = if kind.is_empty() {
                serde_json::from_str(detail)
            } else {
                serde_json::from_str(detail).map(|detail| vec![(kind, detail)])
            };
            let together: Option<Vec<(String, Value)>> =
                self.unreadable
                    .ok_or_report("message_history", || message.to_string(), together);
            // Shows that there was a step, although it cannot be read.
            let together = together.unwrap_or_else(|| vec![("unreadable".into(), json!({}))]);
            steps.extend(together.into_iter().map(|(kind, detail)| HistoryRow {
                at,
                kind,
                detail,
            }));
        }
        Ok(steps)
    }
}
