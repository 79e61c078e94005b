//! Changes that callers may make: cancel queued messages, retry messages that were not sent, pause
//! a session.

use std::sync::Arc;

use super::handle::{Inner, Outbox};
use crate::{
    model::{ClientId, FailureCode},
    store::{Finish, OutboxId, OutboxRow, RowState, Sending, StoreError},
};

/// Why a message was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// There is no such message.
    #[error("there is no message of that id")]
    Missing,
    /// The message's state does not allow this change.
    #[error("the message is {}", .0.as_str())]
    State(RowState),
    /// Its content was deleted by retention.
    #[error("the content of the message was deleted")]
    BodyGone,
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Outbox {
    /// Cancels the queued messages and pending bulk recipients of a session. Returns their number.
    ///
    /// # Errors
    /// When the database fails; the rest stays queued.
    pub async fn cancel_queued(&self, client: &ClientId, reason: &str) -> Result<u64, StoreError> {
        let mut cancelled = self.inner.store.cancel_pending_of(client, reason).await?;
        cancelled += self.inner.store.cancel_unreadable(client, reason).await?;
        loop {
            let rows = self.inner.store.queued(client).await?;
            if rows.is_empty() {
                return Ok(cancelled);
            }
            // Together, so that they share their flushes to the disk.
            let all = rows.iter().map(|row| self.inner.cancel(row, reason));
            for done in futures_util::future::join_all(all).await {
                // A message whose sending began meanwhile is not cancelled, and is not found again
                // by the query above.
                cancelled += u64::from(done?);
            }
        }
    }

    /// Cancels a queued message. Returns its new row.
    ///
    /// # Errors
    /// When there is no such message, its sending has begun, it has ended, or the database fails.
    pub async fn cancel(&self, id: &OutboxId) -> Result<OutboxRow, ChangeError> {
        let row = self.get(id).await?.ok_or(ChangeError::Missing)?;
        let done = self.inner.cancel(&row, "cancelled by the caller").await?;
        let row = self.get(id).await?.ok_or(ChangeError::Missing)?;
        if done {
            Ok(row)
        } else {
            Err(ChangeError::State(row.state))
        }
    }

    /// Puts a message that was not sent back into the queue, under the same WhatsApp id. Returns
    /// its new row.
    ///
    /// # Errors
    /// When there is no such message, it is in another state (what was or may have been sent is
    /// never sent again), its content was deleted, or the database fails.
    pub async fn retry(&self, id: &OutboxId) -> Result<OutboxRow, ChangeError> {
        let done = self.inner.store.retry(id).await?;
        if done {
            self.inner.accepted.notify_waiters();
            self.inner.waiters.wake(id);
        }
        let row = self.get(id).await?.ok_or(ChangeError::Missing)?;
        match row.state {
            _ if done => Ok(row),
            RowState::NotSent if row.redacted => Err(ChangeError::BodyGone),
            state => Err(ChangeError::State(state)),
        }
    }

    /// Pauses or resumes sending in a session. A pause survives restarts.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn pause(&self, client: &ClientId, pause: bool) -> Result<Sending, StoreError> {
        self.inner.store.pause_sending(client, pause).await?;
        self.inner.accepted.notify_waiters();
        self.sending(client).await
    }
}

impl Inner {
    /// Cancels a queued message. Returns `false` if it is not queued any more.
    pub(super) async fn cancel(
        self: &Arc<Self>,
        row: &OutboxRow,
        reason: &str,
    ) -> Result<bool, StoreError> {
        self.finish(
            row,
            &[RowState::Queued],
            Finish::NotSent(FailureCode::Cancelled, reason.to_owned()),
            vec![],
        )
        .await
    }
}
