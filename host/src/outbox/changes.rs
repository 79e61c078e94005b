//! What a caller may still change: cancel what has not begun, take up again what has not left,
//! pause a session.

use std::sync::Arc;

use super::handle::{Inner, Outbox};
use crate::{
    model::{ClientId, FailureCode},
    store::{Finish, OutboxId, OutboxRow, RowState, Sending, StoreError},
};

/// Why a send was not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// There is no such send.
    #[error("there is no message of that id")]
    Missing,
    /// The message's state does not allow this change.
    #[error("the message is {}", .0.as_str())]
    State(RowState),
    /// What it said was deleted.
    #[error("what the message said was deleted")]
    BodyGone,
    /// The database cannot be read or refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Outbox {
    /// Cancels what a session has not begun; how many those were.
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
                // One that began meanwhile is not cancelled, and not found again above.
                cancelled += u64::from(done?);
            }
        }
    }

    /// Takes back a send that has not begun.
    ///
    /// # Errors
    /// When there is none, when it has begun or ended, or the database fails.
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

    /// Puts a send that ended without leaving back into the queue, under the same WhatsApp id.
    ///
    /// # Errors
    /// When there is none, when it was or may have been sent, when what it said was deleted, or the
    /// database fails.
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

    /// Pauses the sends of a session, or lets them go on; across restarts.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn pause(&self, client: &ClientId, pause: bool) -> Result<Sending, StoreError> {
        self.inner.store.pause_sending(client, pause).await?;
        self.inner.accepted.notify_waiters();
        self.sending(client).await
    }
}

impl Inner {
    /// Cancels a send that has not begun. False: it has.
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
