//! The slots for connections, and the choice of a connection to close when all are taken.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, oneshot};

use super::peer::{Peer, Phase};

/// Additional slots, for probes only.
const FOR_PROBES: usize = 16;
/// Milliseconds for which a connection without a request is not evicted: its first bytes may be on
/// their way.
const GRACE: u64 = 500;

/// All connections, of which there is a limited number.
#[derive(Debug)]
pub(super) struct ConnectionLimiter {
    most: usize,
    open: Mutex<Open>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    slots: HashMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    peer: Arc<Peer>,
    /// Dropped with the entry, which tells the connection to close.
    _stay: oneshot::Sender<()>,
}

/// A connection's slot, which is freed when this is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    id: u64,
    limiter: Arc<ConnectionLimiter>,
    pub(super) peer: Arc<Peer>,
    /// Whether only probes are answered on this connection.
    pub(super) probes_only: bool,
    /// Resolves when the connection is evicted.
    pub(super) leave: oneshot::Receiver<()>,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.limiter.open().slots.remove(&self.id);
        self.limiter.freed.notify_one();
    }
}

impl ConnectionLimiter {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            open: Mutex::default(),
            freed: Notify::new(),
        }
    }

    pub(super) fn most(&self) -> usize {
        self.most
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a slot: a free one, that of an evicted connection, or one of those for probes.
    pub(super) async fn acquire(self: &Arc<Self>) -> Slot {
        loop {
            if let Some(slot) = self.try_acquire() {
                return slot;
            }
            // Nothing signals that a silent connection has become old enough to be evicted, so this
            // polls.
            let _ = tokio::time::timeout(
                std::time::Duration::from_millis(GRACE / 4),
                self.freed.notified(),
            )
            .await;
        }
    }

    fn try_acquire(self: &Arc<Self>) -> Option<Slot> {
        let mut open = self.open();
        let probes_only = open.slots.len() >= self.most && !open.evict();
        if probes_only && open.slots.len() >= self.most + FOR_PROBES {
            return None;
        }
        let (peer, (stay, leave)) = (Arc::new(Peer::new()), oneshot::channel());
        let id = open.next;
        open.next += 1;
        open.slots.insert(
            id,
            Entry {
                peer: Arc::clone(&peer),
                _stay: stay,
            },
        );
        Some(Slot {
            id,
            limiter: Arc::clone(self),
            peer,
            probes_only,
            leave,
        })
    }

    /// Evicts one connection. False if all are busy or too new.
    pub(super) fn evict(&self) -> bool {
        self.open().evict()
    }
}

impl Open {
    /// Evicts the oldest connection that has not sent a whole header, or if there is none the
    /// oldest idle one.
    fn evict(&mut self) -> bool {
        let rank = |entry: &Entry| match entry.peer.phase() {
            (Phase::Header, age) if age >= GRACE => Some((1, age)),
            (Phase::Idle, age) if age >= GRACE => Some((0, age)),
            _ => None,
        };
        let oldest = self
            .slots
            .iter()
            .filter_map(|(id, entry)| Some((rank(entry)?, *id)))
            .max();
        oldest.is_some_and(|(_, id)| self.slots.remove(&id).is_some())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_asks_nothing_makes_room_and_who_works_does_not() {
        let limiter = Arc::new(ConnectionLimiter::new(3));
        let mut slots = [
            limiter.acquire().await,
            limiter.acquire().await,
            limiter.acquire().await,
        ];
        tokio::time::advance(Duration::from_millis(GRACE)).await;
        slots[0].peer.asked();
        slots[2].peer.asked();
        slots[2].peer.answered();
        tokio::time::advance(Duration::from_millis(GRACE)).await;
        let fourth = limiter.acquire().await;
        assert!(
            !fourth.probes_only
                && slots[1]
                    .leave
                    .try_recv()
                    .is_err_and(|error| error == oneshot::error::TryRecvError::Closed)
        );
        let fifth = limiter.acquire().await;
        assert!(
            !fifth.probes_only
                && slots[2]
                    .leave
                    .try_recv()
                    .is_err_and(|error| error == oneshot::error::TryRecvError::Closed),
            "it rests"
        );
        assert!(
            slots[0]
                .leave
                .try_recv()
                .is_err_and(|error| error == oneshot::error::TryRecvError::Empty),
            "it works"
        );
        fourth.peer.asked();
        fifth.peer.asked();
        let probes: Vec<Slot> =
            futures_util::future::join_all((0..FOR_PROBES).map(|_| limiter.acquire())).await;
        assert!(probes.iter().all(|slot| slot.probes_only));
        probes.iter().for_each(|slot| slot.peer.asked());
        assert!(limiter.try_acquire().is_none(), "full");
        drop(fourth);
        assert!(
            limiter.try_acquire().is_some_and(|slot| slot.probes_only),
            "a slot for a probe first: the others still are too many"
        );
    }
}
