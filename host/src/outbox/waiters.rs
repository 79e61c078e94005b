//! Wakes those who wait for a send. Holds no outcome: those are read from the database. What the page has stored is told
//! here first, because that is true from that moment, whenever it is noted.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use tokio::sync::watch;

use crate::{store::OutboxId, whatsapp::Stored};

#[derive(Debug, Default)]
pub(super) struct Waiters {
    bells: Mutex<HashMap<OutboxId, watch::Sender<Option<Stored>>>>,
}

impl Waiters {
    /// Hears every later [`Waiters::wake`] of that send.
    pub(super) fn of(&self, id: &OutboxId) -> watch::Receiver<Option<Stored>> {
        let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        bells.retain(|_, bell| bell.receiver_count() > 0);
        bells.entry(id.clone()).or_insert_with(|| watch::Sender::new(None)).subscribe()
    }

    /// Its row has changed.
    pub(super) fn wake(&self, id: &OutboxId) {
        self.ring(id, |_| ());
    }

    /// The page has it; that is being noted.
    pub(super) fn stored(&self, id: &OutboxId, stored: &Stored) {
        self.ring(id, |heard| *heard = Some(stored.clone()));
    }

    fn ring(&self, id: &OutboxId, change: impl FnOnce(&mut Option<Stored>)) {
        if let Some(bell) = self.bells.lock().unwrap_or_else(PoisonError::into_inner).get(id) {
            bell.send_modify(change);
        }
    }
}
