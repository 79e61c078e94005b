//! Ending messages without an acknowledgement.

use std::sync::Arc;

use tracing::warn;

use super::handle::Inner;
use crate::{
    model::{Event, MessageUnknown},
    store::{Finish, OutboxRow, RowState, Step, StoreError},
};

/// The states of a message whose sending has begun and that has no final outcome: the page may have
/// it.
pub(super) const BEGUN: &[RowState] = &[RowState::Sending, RowState::Unknown];

impl Inner {
    /// Ends a message without an acknowledgement, appends the event and wakes its waiters. `judged`
    /// are the verdicts of the plugins at this moment. Returns `false` if the message was in none
    /// of the `from` states.
    pub(super) async fn finish(
        self: &Arc<Self>,
        row: &OutboxRow,
        from: &'static [RowState],
        finish: Finish,
        judged: Vec<Step>,
    ) -> Result<bool, StoreError> {
        let (id, message) = (row.message_id.clone(), row.message.clone());
        let (outcome, code, reason, event) = match &finish {
            Finish::NotSent(code, reason) => {
                let event = Event::MessageFailed {
                    id,
                    code: code.as_str().to_owned(),
                    reason: reason.clone(),
                    message,
                };
                ("not_sent", code.as_str(), reason.clone(), event)
            }
            // This is not reported as a failure, because the caller might then send the message
            // again.
            Finish::Unknown(reason) | Finish::Lost(reason) => {
                let for_good = matches!(finish, Finish::Lost(_));
                let event = Event::report(&MessageUnknown {
                    id,
                    reason: reason.clone(),
                    to: message.to,
                    is_final: for_good,
                });
                ("unknown", "outcome_unknown", reason.clone(), event)
            }
        };
        let event = self.events.prepare(&row.client, None, event);
        let (inner, id, client) = (Arc::clone(self), row.id.clone(), row.client.clone());
        // It runs in a task of its own: the calling future may be dropped together with its page,
        // and then the waiters would not hear of the commit.
        let finishing = tokio::spawn(async move {
            if !inner.store.finish(&id, from, finish, judged, event).await? {
                return Ok(false);
            }
            inner.events.committed();
            inner.waiters.wake(&id);
            metrics::counter!("wharf_sends_total", "outcome" => outcome).increment(1);
            warn!(%client, %id, code, reason, "{outcome}");
            Ok(true)
        });
        finishing
            .await
            .unwrap_or_else(|error| Err(StoreError::Database(error.to_string())))
    }

    /// Ends a message as unknown for good.
    pub(super) async fn lose(
        self: &Arc<Self>,
        row: &OutboxRow,
        why: &str,
    ) -> Result<bool, StoreError> {
        self.finish(row, BEGUN, Finish::Lost(why.to_owned()), vec![])
            .await
    }
}
