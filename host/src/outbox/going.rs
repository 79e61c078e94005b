//! Sends that somebody works on at this moment: one who gives it to the page, or asks the page about it, keeps the others
//! away, so that the page is never asked about a send that it is just getting.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::store::OutboxId;

/// Those of one sender.
#[derive(Debug, Clone, Default)]
pub(super) struct Going(Arc<Mutex<HashSet<OutboxId>>>);

/// The right to work on a send; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    going: Going,
    id: OutboxId,
}

impl Going {
    fn ids(&self) -> MutexGuard<'_, HashSet<OutboxId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn has(&self, id: &OutboxId) -> bool {
        self.ids().contains(id)
    }

    /// None: somebody works on it, or `most` are being worked on.
    pub(super) fn enter(&self, id: &OutboxId, most: usize) -> Option<Place> {
        let mut ids = self.ids();
        let enters = ids.len() < most && ids.insert(id.clone());
        enters.then(|| Place { going: self.clone(), id: id.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.going.ids().remove(&self.id);
    }
}
