//! Turns of calls that use much CPU time: together they keep at most half of the processors busy.
//!
//! A call that computes gives its thread back at every tick, but until then nothing else runs on that
//! thread. If such calls ran on all threads, every other call would wait for a tick or more. So each
//! of them waits for its turn before it goes on, in the order in which they came. A plugin whose call
//! needed turns needs them from the start of its next calls.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::sync::Semaphore;
use tokio_util::sync::PollSemaphore;

/// From this much CPU time on, a call needs turns. Interpreters need less for a call.
pub(super) const HEAVY: Duration = Duration::from_millis(20);
/// How many calls without much CPU time make a plugin light again.
const PROBATION: u32 = 32;

/// The turns of all plugins.
#[derive(Debug, Clone)]
pub(super) struct Turns(Arc<Semaphore>);

impl Turns {
    pub(super) fn new() -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Self(Arc::new(Semaphore::new((processors / 2).max(1))))
    }

    /// The turns of one call.
    pub(super) fn of_call(&self) -> PollSemaphore {
        PollSemaphore::new(Arc::clone(&self.0))
    }
}

/// Whether the last calls of a plugin used much CPU time.
#[derive(Debug, Default)]
pub(super) struct Weight(AtomicU32);

impl Weight {
    pub(super) fn is_heavy(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    /// Takes note of a call that used this much CPU time.
    pub(super) fn note(&self, cpu: Duration) {
        let next = if cpu >= HEAVY {
            PROBATION
        } else {
            self.0.load(Ordering::Relaxed).saturating_sub(1)
        };
        self.0.store(next, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_is_heavy_until_enough_of_its_calls_were_light() {
        let weight = Weight::default();
        weight.note(HEAVY - Duration::from_nanos(1));
        assert!(!weight.is_heavy());
        weight.note(HEAVY);
        for _ in 0..PROBATION {
            assert!(weight.is_heavy());
            weight.note(Duration::ZERO);
        }
        assert!(!weight.is_heavy());
    }
}
