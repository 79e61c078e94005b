//! Accepted messages: lists, shows, cancels and retries them.

use std::fmt::Debug;

use async_trait::async_trait;

use super::view::Restricted;
use crate::{
    model::ClientId,
    outbox::{
        ChangeError, Filter, HistoryRow, Listed, Outbox, OutboxId, OutboxRow, StoreError,
        StoredDecision,
    },
};

/// Accepted messages, as API callers see them.
#[async_trait]
pub trait Messages: Send + Sync + Debug + 'static {
    /// A message and its history; none when the id is unknown.
    async fn get(&self, id: &OutboxId) -> Result<Option<(OutboxRow, Vec<HistoryRow>)>, StoreError>;

    /// What the plugins decided about a message, and its session; none when the id is unknown. A
    /// message that was refused is known here, although it was not accepted.
    async fn decisions(
        &self,
        id: &OutboxId,
    ) -> Result<Option<(ClientId, Vec<StoredDecision>)>, StoreError>;

    /// One page of messages, newest first.
    async fn list(&self, filter: &Filter) -> Result<Listed, StoreError>;

    /// The messages with this id, or with this idempotency key of the caller `scope`.
    async fn search(&self, words: &str, scope: &str) -> Result<Vec<OutboxRow>, StoreError>;

    /// Cancels a message that is not being sent yet.
    async fn cancel(&self, id: &OutboxId) -> Result<OutboxRow, ChangeError>;

    /// Queues a message again that was not sent.
    async fn retry(&self, id: &OutboxId) -> Result<OutboxRow, ChangeError>;

    /// Cancels every message of a session that is not being sent yet, and returns their number.
    async fn purge(&self, client: &ClientId) -> Result<u64, StoreError>;
}

/// The messages of the outbox.
#[derive(Debug)]
pub struct OutboxMessages(pub Outbox);

#[async_trait]
impl Messages for OutboxMessages {
    async fn get(&self, id: &OutboxId) -> Result<Option<(OutboxRow, Vec<HistoryRow>)>, StoreError> {
        let Some(row) = self.0.get(id).await? else {
            return Ok(None);
        };
        let history = self.0.history(&row).await?;
        Ok(Some((row, history)))
    }

    async fn decisions(
        &self,
        id: &OutboxId,
    ) -> Result<Option<(ClientId, Vec<StoredDecision>)>, StoreError> {
        let decisions = self.0.decisions(id).await?;
        if let Some(first) = decisions.first() {
            return Ok(Some((first.session.clone(), decisions)));
        }
        let row = self.0.get(id).await?;
        Ok(row.map(|row| (row.client, decisions)))
    }

    async fn list(&self, filter: &Filter) -> Result<Listed, StoreError> {
        self.0.list(filter).await
    }

    async fn search(&self, words: &str, scope: &str) -> Result<Vec<OutboxRow>, StoreError> {
        self.0.search(words, scope).await
    }

    async fn cancel(&self, id: &OutboxId) -> Result<OutboxRow, ChangeError> {
        self.0.cancel(id).await
    }

    async fn retry(&self, id: &OutboxId) -> Result<OutboxRow, ChangeError> {
        self.0.retry(id).await
    }

    async fn purge(&self, client: &ClientId) -> Result<u64, StoreError> {
        self.0.cancel_queued(client, "purged by the caller").await
    }
}

impl Restricted<dyn Messages> {
    async fn owns(&self, id: &OutboxId) -> Result<bool, StoreError> {
        Ok(self.get(id).await?.is_some())
    }
}

#[async_trait]
impl Messages for Restricted<dyn Messages> {
    async fn get(&self, id: &OutboxId) -> Result<Option<(OutboxRow, Vec<HistoryRow>)>, StoreError> {
        Ok(self
            .whole
            .get(id)
            .await?
            .filter(|(row, _)| self.view.sees(&row.client)))
    }

    async fn decisions(
        &self,
        id: &OutboxId,
    ) -> Result<Option<(ClientId, Vec<StoredDecision>)>, StoreError> {
        let found = self.whole.decisions(id).await?;
        let mut found = found.filter(|(client, _)| self.view.sees(client));
        if let Some((_, decisions)) = found.as_mut().filter(|_| !self.view.sees_all()) {
            decisions.iter_mut().for_each(StoredDecision::hide_shared);
        }
        Ok(found)
    }

    async fn list(&self, filter: &Filter) -> Result<Listed, StoreError> {
        let Some(sessions) = &self.view.sessions else {
            return self.whole.list(filter).await;
        };
        let mut filter = filter.clone();
        match (&filter.client, sessions.first()) {
            (Some(client), _) if !self.view.sees(client) => {
                return Ok(Listed {
                    rows: vec![],
                    unreadable: vec![],
                    next: None,
                });
            }
            (None, Some(only)) if sessions.len() == 1 => filter.client = Some(only.clone()),
            _ => {}
        }
        let mut listed = self.whole.list(&filter).await?;
        listed.rows.retain(|row| self.view.sees(&row.client));
        if filter.client.is_none() {
            // The session of an unreadable row is not known.
            listed.unreadable.clear();
        }
        Ok(listed)
    }

    async fn search(&self, words: &str, scope: &str) -> Result<Vec<OutboxRow>, StoreError> {
        let mut rows = self.whole.search(words, scope).await?;
        rows.retain(|row| self.view.sees(&row.client));
        Ok(rows)
    }

    async fn cancel(&self, id: &OutboxId) -> Result<OutboxRow, ChangeError> {
        if self.owns(id).await? {
            self.whole.cancel(id).await
        } else {
            Err(ChangeError::Missing)
        }
    }

    async fn retry(&self, id: &OutboxId) -> Result<OutboxRow, ChangeError> {
        if self.owns(id).await? {
            self.whole.retry(id).await
        } else {
            Err(ChangeError::Missing)
        }
    }

    async fn purge(&self, client: &ClientId) -> Result<u64, StoreError> {
        if self.view.sees(client) {
            self.whole.purge(client).await
        } else {
            Ok(0)
        }
    }
}
