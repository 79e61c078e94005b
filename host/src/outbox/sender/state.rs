//! The sender of one session: what its parts share.

use std::{
    collections::HashSet,
    sync::{
        Arc, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Mutex, time::sleep};
use tracing::error;

use super::previews::Previews;
use crate::{
    config,
    model::{ClientId, Recipient, Timestamp},
    outbox::{claims::Claims, handle::Inner},
    store::{OutboxRow, StoreError},
    tasks::Trouble,
};

/// The pause before a lease that could not be taken, or was lost, is taken again.
pub(super) const LEASE_PAUSE: Duration = Duration::from_secs(1);

/// Sends for one session, as long as it holds the lease.
pub(in crate::outbox) struct Sender {
    pub(super) inner: Arc<Inner>,
    pub(super) client: ClientId,
    pub(super) pacing: config::Pacing,
    /// That of the lease.
    pub(super) token: i64,
    /// The queue was looked at and was not empty: what is in it may wait for a send on the fast
    /// path, or one that the page is asked about.
    pub(super) queue_waits: AtomicBool,
    pub(super) previews: Previews,
    /// What the page is being given from the queue, or asked about.
    pub(super) claims: Claims,
    /// Held while the queue is read, and while a row is put back into it: one that came back in
    /// between would be overtaken by those after it.
    pub(super) reading: Mutex<()>,
    /// See [`Sender::unsettled`].
    pub(super) unsettled: std::sync::Mutex<HashSet<Recipient>>,
    /// Somebody else sends for this session now.
    pub(super) lease_lost: AtomicBool,
}

impl Sender {
    /// Takes over the sending of a session.
    pub(in crate::outbox) async fn lease(inner: Arc<Inner>, client: ClientId) -> Self {
        let mut trouble = Trouble::default();
        loop {
            match inner.store.lease(&client).await {
                Ok(token) => {
                    let pacing = inner.pacing(&client).clone();
                    return Self {
                        inner,
                        client,
                        pacing,
                        token,
                        queue_waits: AtomicBool::new(false),
                        claims: Claims::default(),
                        reading: Mutex::default(),
                        unsettled: std::sync::Mutex::default(),
                        lease_lost: AtomicBool::new(false),
                        previews: Previews::default(),
                    };
                }
                Err(error) if trouble.is_new(&error) => {
                    error!(%client, %error, "the lease of the session's outbox cannot be taken; it is tried until it can")
                }
                Err(_) => {}
            }
            sleep(LEASE_PAUSE).await;
        }
    }

    /// Puts a row back into the queue, in its old place; it is tried again at `retry_at`.
    pub(super) async fn put_back(
        &self,
        row: &OutboxRow,
        retry_at: Timestamp,
        reason: &str,
    ) -> Result<(), StoreError> {
        let _reading = self.reading.lock().await;
        self.inner.store.requeue(&row.id, retry_at, reason).await
    }

    /// Chats that wait until the page was asked what became of those that were begun before it was
    /// there.
    pub(super) fn unsettled(&self) -> MutexGuard<'_, HashSet<Recipient>> {
        self.unsettled
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the queue looked at again, if something in it may have waited for a send that is not
    /// being worked on any more.
    pub(super) fn wake_queue(&self) {
        if self.queue_waits.swap(false, Ordering::AcqRel) {
            self.inner.accepted.notify_waiters();
        }
    }

    /// See [`Sender::lease_lost`].
    pub(super) fn has_lost_lease(&self) -> bool {
        self.lease_lost.load(Ordering::Acquire)
    }
}
