//! Which share of the pool the calls of each plugin may use.
//!
//! A share belongs to the name of a plugin and not to one version of it: while an old version ends
//! its last calls beside the new one, both draw from the same permits, so that a reload never takes
//! more of the pool than the plugin may have.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::Semaphore;

use super::engine::Share;

/// The shares of the pool.
#[derive(Debug)]
pub(super) struct Slots {
    total: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    taken: BTreeMap<String, Slot>,
    /// Never used so far; the largest is last.
    free: Vec<Share>,
}

#[derive(Debug)]
struct Slot {
    share: Share,
    permits: Arc<Semaphore>,
}

impl Slot {
    fn new(share: Share) -> Self {
        Self {
            share,
            permits: Arc::new(Semaphore::new(share.permits())),
        }
    }

    /// Whether no version of any plugin can draw from it any more, not even in a call that began
    /// before its plugin was removed: such a call holds its plugin, and that its permits.
    fn is_idle(&self) -> bool {
        Arc::strong_count(&self.permits) == 1
    }
}

impl Slots {
    pub(super) fn new(mut shares: Vec<Share>) -> Self {
        shares.sort_by_key(|share| share.permits());
        let state = State {
            taken: BTreeMap::new(),
            free: shares,
        };
        Self {
            total: state.free.len(),
            state: Mutex::new(state),
        }
    }

    /// The permits of a plugin, as long as there is a share for it: its own, one that was never
    /// used, or one of a plugin that is not loaded any more.
    pub(super) fn of(&self, plugin: &str) -> Result<Arc<Semaphore>, String> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = state.taken.get(plugin) {
            return Ok(Arc::clone(&slot.permits));
        }
        let share = state.free.pop().or_else(|| state.abandoned());
        let Some(share) = share else {
            return Err(format!(
                "the pool has room for the calls of {} plugins, and all of it is in use; a restart of the gateway makes room for every entry",
                self.total
            ));
        };
        let slot = Slot::new(share);
        let permits = Arc::clone(&slot.permits);
        state.taken.insert(plugin.to_owned(), slot);
        Ok(permits)
    }
}

impl State {
    fn abandoned(&mut self) -> Option<Share> {
        let of = self
            .taken
            .iter()
            .find(|(_, slot)| slot.is_idle())
            .map(|(name, _)| name.clone())?;
        self.taken.remove(&of).map(|slot| slot.share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_passed_on_only_when_nobody_can_draw_from_it_any_more() {
        let slots = Slots::new(vec![Share::of(4), Share::of(4)]);
        let first = slots.of("first").expect("free");
        assert!(
            Arc::ptr_eq(&first, &slots.of("first").expect("its own")),
            "every version of a plugin has the same permits"
        );
        let second = slots.of("second").expect("free");
        let refused = slots.of("third").expect_err("both are in use");
        assert!(refused.contains("room for the calls of 2"), "{refused}");
        drop(first);
        let third = slots.of("third").expect("the first is gone");
        assert_eq!(third.available_permits(), Share::of(4).permits());
        assert!(slots.of("first").is_err());
        drop((second, third));
        assert!(slots.of("first").is_ok());
    }
}
