//! The places for connections, and the choice of a connection to close when all are taken.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, oneshot};

use super::peer::{Peer, Phase};

/// Additional places, for probes only.
const FOR_PROBES: usize = 16;
/// Milliseconds for which a connection without a request is not evicted: its first bytes may be on
/// their way.
const GRACE: u64 = 500;

/// All connections.
#[derive(Debug)]
pub(super) struct Room {
    most: usize,
    open: Mutex<Open>,
    freed: Notify,
}

#[derive(Debug, Default)]
struct Open {
    next: u64,
    seats: HashMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    peer: Arc<Peer>,
    /// Dropped with the entry, which tells the connection to close.
    _stay: oneshot::Sender<()>,
}

/// A connection's place, which is freed when this is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    id: u64,
    room: Arc<Room>,
    pub(super) peer: Arc<Peer>,
    /// Whether only probes are answered on this connection.
    pub(super) crowded: bool,
    /// Resolves when the connection is evicted.
    pub(super) leave: oneshot::Receiver<()>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.room.open().seats.remove(&self.id);
        self.room.freed.notify_one();
    }
}

impl Room {
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

    /// Waits for a place: a free one, that of an evicted connection, or one of those for probes.
    pub(super) async fn seat(self: &Arc<Self>) -> Seat {
        loop {
            if let Some(seat) = self.try_seat() {
                return seat;
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

    fn try_seat(self: &Arc<Self>) -> Option<Seat> {
        let mut open = self.open();
        let crowded = open.seats.len() >= self.most && !open.evict();
        if crowded && open.seats.len() >= self.most + FOR_PROBES {
            return None;
        }
        let (peer, (stay, leave)) = (Arc::new(Peer::new()), oneshot::channel());
        let id = open.next;
        open.next += 1;
        open.seats.insert(
            id,
            Entry {
                peer: Arc::clone(&peer),
                _stay: stay,
            },
        );
        Some(Seat {
            id,
            room: Arc::clone(self),
            peer,
            crowded,
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
            .seats
            .iter()
            .filter_map(|(id, entry)| Some((rank(entry)?, *id)))
            .max();
        oldest.is_some_and(|(_, id)| self.seats.remove(&id).is_some())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_asks_nothing_makes_room_and_who_works_does_not() {
        let room = Arc::new(Room::new(3));
        let mut seats = [room.seat().await, room.seat().await, room.seat().await];
        tokio::time::advance(Duration::from_millis(GRACE)).await;
        seats[0].peer.asked();
        seats[2].peer.asked();
        seats[2].peer.answered();
        tokio::time::advance(Duration::from_millis(GRACE)).await;
        let fourth = room.seat().await;
        assert!(
            !fourth.crowded
                && seats[1]
                    .leave
                    .try_recv()
                    .is_err_and(|error| error == oneshot::error::TryRecvError::Closed)
        );
        let fifth = room.seat().await;
        assert!(
            !fifth.crowded
                && seats[2]
                    .leave
                    .try_recv()
                    .is_err_and(|error| error == oneshot::error::TryRecvError::Closed),
            "it rests"
        );
        assert!(
            seats[0]
                .leave
                .try_recv()
                .is_err_and(|error| error == oneshot::error::TryRecvError::Empty),
            "it works"
        );
        fourth.peer.asked();
        fifth.peer.asked();
        let probes: Vec<Seat> =
            futures_util::future::join_all((0..FOR_PROBES).map(|_| room.seat())).await;
        assert!(probes.iter().all(|seat| seat.crowded));
        probes.iter().for_each(|seat| seat.peer.asked());
        assert!(room.try_seat().is_none(), "full");
        drop(fourth);
        assert!(
            room.try_seat().is_some_and(|seat| seat.crowded),
            "a place for a probe first: the others still are too many"
        );
    }
}
