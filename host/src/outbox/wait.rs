//! Waiting for the outcome of a message.

use std::time::Duration;

use tokio::time::Instant;

use super::handle::Outbox;
use crate::{
    model::{FailureCode, Outcome},
    store::{Finish, OutboxId, OutboxRow, RowState, StoreError},
};

/// What a caller waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// The message is on the disk.
    Accepted,
    /// The page has stored it in its own database, and sends it as soon as it is connected.
    Stored,
    /// The message has an outcome.
    Sent,
}

impl Outbox {
    /// Waits until `until` is reached or the message has an outcome, and returns its row with the
    /// outcome, if there is one. If sending has not begun within `limit`, the message is cancelled;
    /// if it has begun, the outcome is [`Outcome::Unknown`] for now. Returns `None` if there is no
    /// such message.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn wait(
        &self,
        id: &OutboxId,
        until: Until,
        limit: Duration,
    ) -> Result<Option<(OutboxRow, Option<Outcome>)>, StoreError> {
        let end = Instant::now() + limit;
        let waiters = &self.inner.waiters;
        let _awaiting = (until == Until::Sent).then(|| waiters.for_outcome());
        let mut changes = waiters.of(id);
        let mut read = None;
        loop {
            let heard = changes.borrow_and_update().clone();
            let mut row = match read.take() {
                Some((at, row)) if at == heard.changes => row,
                _ => match self.inner.store.outbox_row(id).await? {
                    Some(row) => {
                        waiters.named(id, &row.message_id);
                        row
                    }
                    None => return Ok(None),
                },
            };
            read = Some((heard.changes, row.clone()));
            if let Some(stored) = heard.stored.filter(|_| {
                matches!(row.state, RowState::Queued | RowState::Sending)
                    && row.message_key.is_none()
            }) {
                (row.state, row.chat, row.message_key) = (
                    RowState::Sending,
                    Some(stored.address.chat),
                    Some(stored.key),
                );
            }
            if let Some(ack) = heard
                .acked
                .filter(|_| matches!(row.state, RowState::Sending | RowState::Unknown))
            {
                row.acknowledge(&ack);
            }
            let outcome = row.outcome();
            let reached = match until {
                Until::Accepted => true,
                Until::Stored => row.state == RowState::Sending && row.message_key.is_some(),
                Until::Sent => false,
            };
            if reached || outcome.is_some() {
                return Ok(Some((row, outcome)));
            }
            // This cannot fail: the sender lives as long as the outbox.
            if tokio::time::timeout_at(end, changes.changed())
                .await
                .is_ok()
            {
                continue;
            }
            let late = Finish::NotSent(
                FailureCode::NotSentInTime,
                format!("not begun within {limit:?}"),
            );
            if self
                .inner
                .finish(&row, &[RowState::Queued], late, vec![])
                .await?
            {
                read = None;
                continue;
            }
            let Some(row) = self.get(id).await? else {
                return Ok(None);
            };
            let begun = Outcome::Unknown {
                reason: format!(
                    "WhatsApp has not acknowledged it within {limit:?}; it is being found out"
                ),
            };
            let outcome = row.outcome().unwrap_or(begun);
            return Ok(Some((row, Some(outcome))));
        }
    }

    /// Whether any caller waits for the outcome of a message.
    #[must_use]
    pub fn outcome_awaited(&self) -> bool {
        self.inner.waiters.outcome_awaited()
    }
}
