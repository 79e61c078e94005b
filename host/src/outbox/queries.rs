//! Queries of messages. They wait for acknowledgements that waiters were told of but that are not
//! committed yet, so that a reader never sees less than another caller was told.

use super::{accept::AcceptError, handle::Outbox};
use crate::{
    model::ClientId,
    store::{
        Accepted, Filter, HistoryRow, Listed, OutboxId, OutboxRow, Sending, StoreError,
        StoredDecision,
    },
};

impl Outbox {
    /// The message with an id, or `None` if there is none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn get(&self, id: &OutboxId) -> Result<Option<OutboxRow>, StoreError> {
        self.inner.waiters.noted().await;
        self.inner.store.outbox_row(id).await
    }

    /// A message as the result of accepting it.
    ///
    /// # Errors
    /// When there is no such message, or the database cannot be read.
    pub async fn accepted(&self, id: &OutboxId) -> Result<Accepted, AcceptError> {
        let row = self.get(id).await?.ok_or_else(|| {
            StoreError::Corrupt(format!("the message {id} of an Idempotency-Key"))
        })?;
        Ok(Accepted {
            id: row.id,
            message_id: row.message_id,
            state: row.state,
            known: true,
        })
    }

    /// The sending state of a session.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn sending(&self, client: &ClientId) -> Result<Sending, StoreError> {
        self.inner.store.sending(client).await
    }

    /// One page of messages, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list(&self, filter: &Filter) -> Result<Listed, StoreError> {
        self.inner.waiters.noted().await;
        self.inner.store.messages(filter).await
    }

    /// The messages that `words` identifies: an id, or an idempotency key of `scope`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn search(&self, words: &str, scope: &str) -> Result<Vec<OutboxRow>, StoreError> {
        self.inner.waiters.noted().await;
        self.inner.store.find_messages(words, scope).await
    }

    /// The history of a message, oldest step first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn history(&self, row: &OutboxRow) -> Result<Vec<HistoryRow>, StoreError> {
        self.inner.store.history(row.seq).await
    }

    /// What the plugins decided about a message, oldest first, also if the message was refused.
    /// Empty if there are no decisions or the id is not known.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn decisions(&self, id: &OutboxId) -> Result<Vec<StoredDecision>, StoreError> {
        self.inner.store.decisions(id).await
    }
}
