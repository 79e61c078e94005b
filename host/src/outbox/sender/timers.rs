//! Timers: scheduled messages that become due, deadlines that pass, and restrictions that end.

use super::state::Sender;
use crate::{
    model::{FailureCode, Timestamp},
    outbox::pace,
    store::{Finish, OutboxRow, RowState, StoreError},
};

/// Parked messages that return to the queue at a time if there is no budget for strangers.
const UNPARKED: u32 = 500;
/// The same if there is a budget for strangers.
const UNPARKED_BY_BUDGET: u32 = 16;

impl Sender {
    /// Handles what depends on the time alone: scheduled messages that are due, deadlines that have
    /// passed, and strangers who may be written to again.
    pub(in crate::outbox) async fn clock(&self) -> Result<(), StoreError> {
        let (store, now) = (&self.inner.store, Timestamp::now());
        if store.has_ripe(now).await? {
            store.release(now).await?;
        }
        for row in store.expired(&self.client, now).await? {
            self.expire(&row).await?;
        }
        self.readmit_strangers(now).await
    }

    /// Lifts restrictions that have ended, and puts parked messages that may be sent now back into
    /// the queue.
    async fn readmit_strangers(&self, now: Timestamp) -> Result<(), StoreError> {
        let store = &self.inner.store;
        let mut sending = store.sending(&self.client).await?;
        if sending.restricted {
            self.inner
                .lift(&self.client, None, |restriction| restriction.until <= now)
                .await?;
            store.lift_unknown(&self.client, Some(now)).await?;
            sending = store.sending(&self.client).await?;
        }
        if sending.parked && pace::strangers(&self.pacing, store, &self.client, sending).await? {
            store
                .unpark(
                    &self.client,
                    if self.pacing.cold_per_day > 0 {
                        UNPARKED_BY_BUDGET
                    } else {
                        UNPARKED
                    },
                )
                .await?;
        }
        Ok(())
    }

    /// Ends a message whose deadline has passed.
    pub(super) async fn expire(&self, row: &OutboxRow) -> Result<(), StoreError> {
        let at = row.expires_at.map(Timestamp::rfc3339).unwrap_or_default();
        let finish = Finish::NotSent(
            FailureCode::Expired,
            format!("not begun by its expiresAt, {at}"),
        );
        self.inner
            .finish(row, &[RowState::Queued], finish, vec![])
            .await
            .map(drop)
    }
}
