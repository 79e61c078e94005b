//! Claims on sends: whoever gives a send to the page, or asks the page about it, holds a claim on
//! it meanwhile. So the page is never asked about a send that it is just getting.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::store::OutboxId;

/// The sends of one sender that are claimed.
#[derive(Debug, Clone, Default)]
pub(super) struct Claims(Arc<Mutex<HashSet<OutboxId>>>);

/// The right to work on a send; given back when dropped.
#[derive(Debug)]
pub(super) struct Claim {
    claims: Claims,
    id: OutboxId,
}

impl Claims {
    fn ids(&self) -> MutexGuard<'_, HashSet<OutboxId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a send is claimed.
    pub(super) fn has(&self, id: &OutboxId) -> bool {
        self.ids().contains(id)
    }

    /// Claims a send. None: it is claimed, or `most` sends are.
    pub(super) fn claim(&self, id: &OutboxId, most: usize) -> Option<Claim> {
        let mut ids = self.ids();
        let free = ids.len() < most && ids.insert(id.clone());
        free.then(|| Claim {
            claims: self.clone(),
            id: id.clone(),
        })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.claims.ids().remove(&self.id);
    }
}
