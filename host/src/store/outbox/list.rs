//! Finding sends for people: newest first, in pages.
//!
//! No index serves these filters, because each would cost every accept; instead a page looks at a
//! bounded number of rows. A page may therefore be short or empty and still name a next one.

use sqlx::Row;

use super::{OutboxId, OutboxRow, RowState, select};
use crate::{
    model::{Address, ClientId, Recipient, Timestamp},
    store::{Store, StoreError},
};

/// Rows one page looks at.
const LOOKED_AT: i64 = 100_000;

/// Which sends are wanted; what is none does not matter.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Filter {
    /// Of this session.
    pub client: Option<ClientId>,
    /// In this state.
    pub state: Option<RowState>,
    /// To this recipient, under whichever of the forms by which they are known.
    pub to: Option<Recipient>,
    /// Accepted then or later.
    pub since: Option<Timestamp>,
    /// Accepted before.
    pub until: Option<Timestamp>,
    /// Before this place; none: from the newest on.
    pub before: Option<i64>,
    /// Rows of a page.
    pub limit: u32,
}

/// A page of sends.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// Newest first.
    pub rows: Vec<OutboxRow>,
    /// Sends of the page that cannot be read: written by another version, or broken.
    pub unreadable: Vec<OutboxId>,
    /// [`Filter::before`] of the next page; none: this was the last.
    pub next: Option<i64>,
}

impl Store {
    /// One page of sends.
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
        // Places begin at 1.
        Ok(Listed {
            rows: read,
            unreadable,
            next: (reached > 1).then_some(reached),
        })
    }

    /// The sends that `words` name: an id of ours, one of WhatsApp's (bare or as a key), or an
    /// idempotency key of `scope`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn find_messages(
        &self,
        words: &str,
        scope: &str,
    ) -> Result<Vec<OutboxRow>, StoreError> {
        let bare = words.rsplit('_').next().unwrap_or(words);
        let sql = select!(
            "WHERE seq IN (SELECT seq FROM outbox WHERE id = ?1 UNION SELECT seq FROM outbox WHERE message_id = ?2 AND attempt > 0 ",
            "UNION SELECT seq FROM outbox WHERE state = 'queued' AND held = 0 AND message_id = ?2 ",
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
