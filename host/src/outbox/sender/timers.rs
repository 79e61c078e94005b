//! What the clock alone brings about: times that have come, deadlines that are over.

use super::state::Sender;
use crate::{
    model::{FailureCode, Timestamp},
    outbox::pace,
    store::{Finish, OutboxRow, RowState, StoreError},
};

/// Sends to strangers that come back into the queue at a time, when any number may go.
const UNPARKED: u32 = 500;
/// As many, when a budget says how many may go.
const UNPARKED_BY_BUDGET: u32 = 16;

impl Sender {
    /// What the clock alone brings about: times that have come, deadlines that are over.
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

    /// Lets sends to strangers back into the queue that may go now.
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

    /// Ends a send whose deadline is over.
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
