//! Questions about sends. What callers were told before it was noted is waited for, so nobody finds
//! less than was told.

use super::{accept::AcceptError, handle::Outbox};
use crate::{
    model::ClientId,
    store::{Accepted, Filter, HistoryRow, Listed, OutboxId, OutboxRow, Sending, StoreError},
};

impl Outbox {
    /// One send.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn get(&self, id: &OutboxId) -> Result<Option<OutboxRow>, StoreError> {
        self.inner.waiters.noted().await;
        self.inner.store.outbox_row(id).await
    }

    /// What accepting it said.
    ///
    /// # Errors
    /// When there is none, or the database cannot be read.
    pub async fn accepted(&self, id: &OutboxId) -> Result<Accepted, AcceptError> {
        let row = self
            .get(id)
            .await?
            .ok_or_else(|| StoreError::Corrupt(format!("the send {id} of an Idempotency-Key")))?;
        Ok(Accepted {
            id: row.id,
            message_id: row.message_id,
            state: row.state,
            known: true,
        })
    }

    /// Whether a session may send.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn sending(&self, client: &ClientId) -> Result<Sending, StoreError> {
        self.inner.store.sending(client).await
    }

    /// One page of sends, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list(&self, filter: &Filter) -> Result<Listed, StoreError> {
        self.inner.waiters.noted().await;
        self.inner.store.messages(filter).await
    }

    /// The sends that `words` name: an id, or an idempotency key of `scope`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn search(&self, words: &str, scope: &str) -> Result<Vec<OutboxRow>, StoreError> {
        self.inner.waiters.noted().await;
        self.inner.store.find_messages(words, scope).await
    }

    /// What happened to a send, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn history(&self, row: &OutboxRow) -> Result<Vec<HistoryRow>, StoreError> {
        self.inner.store.history(row.seq).await
    }
}
