//! The state of a connection on which its deadlines depend.
//!
//! Only the connection's own task writes it; the code that looks for a connection to close reads
//! it. So relaxed stores are enough, and a request costs three of them and no timer.

use std::sync::{
    LazyLock,
    atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use tokio::time::{Duration, Instant};

use super::limits::Limits;

/// The origin of [`Peer`]'s timestamps. It lies an hour in the past, because tests pause their
/// clocks, and a clock that was paused earlier must not lie before it.
static EPOCH: LazyLock<Instant> = LazyLock::new(|| {
    let now = std::time::Instant::now();
    Instant::from_std(now.checked_sub(Duration::from_secs(3600)).unwrap_or(now))
});

/// Marks a request on a connection that was accepted while every slot was taken: only probes are
/// answered.
#[derive(Debug, Clone, Copy)]
pub(in crate::api) struct ProbesOnly;

/// The phase of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// A request header is being received, or the first one is awaited.
    Header,
    /// The last request was answered, and nothing was received since.
    Idle,
    /// A request is being read or answered.
    Busy,
}

/// The state of one connection.
#[derive(Debug)]
pub(in crate::api) struct Peer {
    /// When the phase began, in milliseconds since [`EPOCH`] shifted left by two bits, and the
    /// phase in the low two bits.
    place: AtomicU64,
    /// When the client first stopped accepting response bytes, in milliseconds since [`EPOCH`] plus
    /// 1; 0 while it accepts them.
    stalled: AtomicU64,
    /// A request body was received too slowly.
    late: AtomicBool,
    /// A request body was not read to its end.
    unread: AtomicBool,
}

fn now() -> u64 {
    u64::try_from(Instant::now().saturating_duration_since(*EPOCH).as_millis())
        .unwrap_or(u64::MAX >> 2)
}

impl Peer {
    pub(super) fn new() -> Self {
        Self {
            place: AtomicU64::new(now() << 2),
            stalled: AtomicU64::new(0),
            late: AtomicBool::new(false),
            unread: AtomicBool::new(false),
        }
    }

    /// The present phase, and for how many milliseconds it has lasted.
    pub(super) fn phase(&self) -> (Phase, u64) {
        let place = self.place.load(Relaxed);
        let phase = match place & 3 {
            0 => Phase::Header,
            1 => Phase::Idle,
            _ => Phase::Busy,
        };
        (phase, now().saturating_sub(place >> 2))
    }

    fn enter(&self, phase: Phase) {
        let code = match phase {
            Phase::Header => 0,
            Phase::Idle => 1,
            Phase::Busy => 2,
        };
        self.place.store(now() << 2 | code, Relaxed);
    }

    /// Notes that bytes were received. If the connection was idle, they begin the next request
    /// header.
    pub(super) fn read(&self) {
        if self.place.load(Relaxed) & 3 == 1 {
            self.enter(Phase::Header);
        }
    }

    /// Notes that a request header is complete.
    pub(super) fn asked(&self) {
        self.enter(Phase::Busy);
    }

    /// Notes that the response is in the connection's buffers.
    pub(super) fn answered(&self) {
        self.enter(Phase::Idle);
    }

    /// Notes whether the socket accepted the bytes written.
    pub(super) fn wrote(&self, taken: bool) {
        let since = self.stalled.load(Relaxed);
        if taken && since != 0 {
            self.stalled.store(0, Relaxed);
        } else if !taken && since == 0 {
            self.stalled.store(now() + 1, Relaxed);
        }
    }

    pub(super) fn set_late(&self) {
        self.late.store(true, Relaxed);
    }

    /// Whether the body of the present request was received too slowly.
    pub(in crate::api) fn is_late(&self) -> bool {
        self.late.load(Relaxed)
    }

    pub(super) fn set_unread(&self) {
        self.unread.store(true, Relaxed);
    }

    pub(super) fn is_unread(&self) -> bool {
        self.unread.load(Relaxed)
    }

    /// When the connection is closed unless its state changes before. None while the gateway works
    /// on a request.
    pub(super) fn deadline(&self, limits: &Limits) -> Option<Instant> {
        let at = |millis: u64, time: Duration| *EPOCH + Duration::from_millis(millis) + time;
        let stalled = self.stalled.load(Relaxed);
        if stalled != 0 {
            return Some(at(stalled - 1, limits.answer));
        }
        let place = self.place.load(Relaxed);
        match place & 3 {
            0 => Some(at(place >> 2, limits.header)),
            1 => Some(at(place >> 2, limits.idle)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_phase_has_its_deadline_and_our_own_work_has_none() {
        let seconds = Duration::from_secs;
        let limits = Limits {
            header: seconds(10),
            idle: seconds(75),
            body: seconds(30),
            rate: 1,
            answer: seconds(20),
        };
        let peer = Peer::new();
        let left = |peer: &Peer| {
            peer.deadline(&limits)
                .map(|at| at.duration_since(Instant::now()).as_secs_f64().round())
        };
        tokio::time::advance(seconds(4)).await;
        peer.read();
        assert_eq!(left(&peer), Some(6.0), "a byte is no header");
        peer.asked();
        assert_eq!(left(&peer), None);
        peer.answered();
        assert_eq!(left(&peer), Some(75.0));
        tokio::time::advance(seconds(5)).await;
        peer.read();
        assert_eq!((left(&peer), peer.phase().0), (Some(10.0), Phase::Header));
        peer.asked();
        peer.wrote(false);
        tokio::time::advance(seconds(5)).await;
        peer.wrote(false);
        assert_eq!(
            left(&peer),
            Some(15.0),
            "since it stalled, not since it was tried"
        );
        peer.wrote(true);
        assert_eq!(left(&peer), None);
    }
}
