//! Wakes those who wait for a send. Holds no outcome: those are read from the database. What the page has stored is told
//! here first, because that is true from that moment, whenever it is noted.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use tokio::sync::watch;

use crate::{store::OutboxId, whatsapp::Stored};

/// What was heard of a send.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard {
    /// How often its row has changed.
    pub(super) changes: u64,
    /// The page has it.
    pub(super) stored: Option<Stored>,
}

#[derive(Debug, Default)]
pub(super) struct Waiters {
    bells: Mutex<HashMap<OutboxId, watch::Sender<Heard>>>,
}

impl Waiters {
    /// Hears all that is told of that send from now on.
    pub(super) fn of(&self, id: &OutboxId) -> watch::Receiver<Heard> {
        let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        bells.retain(|_, bell| bell.receiver_count() > 0);
        bells.entry(id.clone()).or_default().subscribe()
    }

    /// Its row has changed.
    pub(super) fn wake(&self, id: &OutboxId) {
        self.ring(id, |heard| heard.changes += 1);
    }

    /// The page has it; that is being noted.
    pub(super) fn stored(&self, id: &OutboxId, stored: &Stored) {
        self.ring(id, |heard| heard.stored = Some(stored.clone()));
    }

    fn ring(&self, id: &OutboxId, change: impl FnOnce(&mut Heard)) {
        if let Some(bell) = self.bells.lock().unwrap_or_else(PoisonError::into_inner).get(id) {
            bell.send_modify(change);
        }
    }
}
