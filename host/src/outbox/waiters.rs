//! Wakes those who wait for a send. Holds no outcome: those are read from the database.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use tokio::sync::watch;

use crate::store::OutboxId;

#[derive(Debug, Default)]
pub(super) struct Waiters {
    bells: Mutex<HashMap<OutboxId, watch::Sender<()>>>,
}

impl Waiters {
    /// Hears every later [`Waiters::wake`] of that send.
    pub(super) fn of(&self, id: &OutboxId) -> watch::Receiver<()> {
        let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        bells.retain(|_, bell| bell.receiver_count() > 0);
        bells.entry(id.clone()).or_insert_with(|| watch::Sender::new(())).subscribe()
    }

    pub(super) fn wake(&self, id: &OutboxId) {
        if let Some(bell) = self.bells.lock().unwrap_or_else(PoisonError::into_inner).get(id) {
            bell.send_replace(());
        }
    }
}
