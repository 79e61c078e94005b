//! Listing messages for people: in pages, newest first.
//!
//! No index serves these filters, because each index would make every accept slower. Instead a page
//! examines a bounded number of rows, so it may be short or even empty although there is a next
//! page.

use sqlx::Row;

use super::{OutboxId, OutboxRow, RowState, select};
use crate::{
    model::{Address, ClientId, Recipient, Timestamp},
    store::{Store, StoreError},
};

/// Sequence numbers that one page covers at most.
const LOOKED_AT: i64 = 100_000;

/// Selects messages. A field that is `None` matches all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// The session.
    pub client: Option<ClientId>,
    /// The state.
    pub state: Option<RowState>,
    /// The recipient, in any form that is known to be the same.
    pub to: Option<Recipient>,
    /// Accepted at this time or later.
    pub since: Option<Timestamp>,
    /// Accepted before this time.
    pub until: Option<Timestamp>,
    /// Only messages with a smaller sequence number; `None` starts with the newest.
    pub before: Option<i64>,
    /// Rows of a page at most.
    pub limit: u32,
}

/// A page of messages.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// Newest first.
    pub rows: Vec<OutboxRow>,
    /// Messages of the page that cannot be read because they were written by another version or are
    /// damaged.
    pub unreadable: Vec<OutboxId>,
    /// [`Filter::before`] of the next page; `None` if this is the last one.
    pub next: Option<i64>,
}

impl Store {
    /// One page of messages.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn messages(&self, filter: &Filter) -> Result<Listed, StoreError> {
        let newest: i64 = sqlx::query_scalar("SELECT coalesce(max(seq), 0) + 1 FROM outbox")
            .fetch_one(&mut *self.readers.get().await?)
            .await?;
        let before = filter.before.map_or(newest, |before| before.min(newest));
        let floor = before.saturating_sub(LOOKED_AT).max(0);
        let sql = select!(
            "WHERE seq < ?1 AND seq >= ?2 AND (?3 IS NULL OR client = ?3) AND (?4 IS NULL OR state = ?4) AND (?5 IS NULL OR recipient = ?5 OR line = ?5 OR chat = ?6 ",
            "OR line = (SELECT number FROM alias WHERE alias.client = outbox.client AND lid = ?5)) AND (?7 IS NULL OR created_at >= ?7) AND (?8 IS NULL OR created_at < ?8) ORDER BY seq DESC LIMIT ?9"
        );
        let rows = sqlx::query(sql)
            .bind(before)
            .bind(floor)
            .bind(filter.client.as_ref().map(ClientId::as_str))
            .bind(filter.state)
            .bind(filter.to.as_ref().map(Recipient::to_string))
            .bind(filter.to.as_ref().map(|to| Address::of(to).chat))
            .bind(filter.since.map(|at| at.0))
            .bind(filter.until.map(|at| at.0))
            .bind(filter.limit)
            .fetch_all(&mut *self.readers.get().await?)
            .await?;
        let full = rows.len() >= usize::try_from(filter.limit).unwrap_or(usize::MAX);
        let reached = if full {
            rows.last().map_or(Ok(floor), |row| row.try_get("seq"))?
        } else {
            floor
        };
        let (mut read, mut unreadable) = (Vec::with_capacity(rows.len()), Vec::new());
        for row in &rows {
            match self.readable_row(row) {
                Some(row) => read.push(row),
                None => unreadable.push(OutboxId(row.try_get("id")?)),
            }
        }
        // Sequence numbers begin at 1.
        Ok(Listed {
            rows: read,
            unreadable,
            next: (reached > 1).then_some(reached),
        })
    }

    /// The messages that `words` identifies, newest first, at most 50. It is an id of the gateway,
    /// an id of WhatsApp (bare or within a message key), or an idempotency key of `scope`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn find_messages(
        &self,
        words: &str,
        scope: &str,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        let bare = words.rsplit('_').next().unwrap_or(words);
        // The index of WhatsApp's ids has a message from its first attempt on. Before that, each
        // value of `held` has a partial index of its own.
        let sql = select!(
            "WHERE seq IN (SELECT seq FROM outbox WHERE id = ?1 UNION SELECT seq FROM outbox WHERE message_id = ?2 AND attempt > 0 ",
            "UNION SELECT seq FROM outbox WHERE state = 'queued' AND held = 0 AND message_id = ?2 ",
            "UNION SELECT seq FROM outbox WHERE state = 'queued' AND held = 1 AND message_id = ?2 ",
            "UNION SELECT seq FROM outbox WHERE state = 'queued' AND held = 2 AND message_id = ?2 ",
            "UNION SELECT seq FROM outbox WHERE state = 'queued' AND held = 3 AND message_id = ?2 ",
            "UNION SELECT outbox.seq FROM idempotency JOIN outbox ON outbox.id = outbox_id WHERE scope = ?3 AND key = ?1) ORDER BY seq DESC LIMIT 50"
        );
        let rows = sqlx::query(sql)
            .bind(words)
            .bind(bare)
            .bind(scope)
            .fetch_all(&mut *self.readers.get().await?)
            .await?;
        Ok(rows
            .iter()
            .filter_map(|row| self.readable_row(row))
            .collect())
    }
}
