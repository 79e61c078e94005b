//! The sender of one session, and the state that its parts share.

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

/// Pause before a lease that was lost or could not be taken is taken again.
pub(super) const LEASE_PAUSE: Duration = Duration::from_secs(1);

/// Sends the messages of one session as long as it holds the lease.
pub(in crate::outbox) struct Sender {
    pub(super) inner: Arc<Inner>,
    pub(super) client: ClientId,
    pub(super) pacing: config::Pacing,
    /// The lease token.
    pub(super) token: i64,
    /// Set when the queue was read and was not empty: its messages may wait for one on the fast
    /// path, or for one that the page is asked about.
    pub(super) queue_waits: AtomicBool,
    pub(super) previews: Previews,
    /// Messages that are being handed to the page from the queue, or that the page is being asked
    /// about.
    pub(super) claims: Claims,
    /// Held while the queue is read and while a message is put back into it. A message that came
    /// back in between would be overtaken by later ones.
    pub(super) reading: Mutex<()>,
    /// See [`Sender::unsettled`].
    pub(super) unsettled: std::sync::Mutex<HashSet<Recipient>>,
    /// Whether another sender has taken the lease of this session.
    pub(super) lease_lost: AtomicBool,
}

impl Sender {
    /// Takes the lease of a session. Retries until that succeeds.
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
                    error!(%client, %error, "the lease for sending in this session cannot be taken; it is retried until it can")
                }
                Err(_) => {}
            }
            sleep(LEASE_PAUSE).await;
        }
    }

    /// Puts a message back into the queue, at its old position. It is tried again at `retry_at`.
    pub(super) async fn put_back(
        &self,
        row: &OutboxRow,
        retry_at: Timestamp,
        reason: &str,
    ) -> Result<(), StoreError> {
        let _reading = self.reading.lock().await;
        self.inner.store.requeue(&row.id, retry_at, reason).await
    }

    /// Chats that wait until the page was asked about their messages whose sending began before the
    /// page existed.
    pub(super) fn unsettled(&self) -> MutexGuard<'_, HashSet<Recipient>> {
        self.unsettled
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes the queue if something in it may have waited for a message that is no longer being
    /// worked on.
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
