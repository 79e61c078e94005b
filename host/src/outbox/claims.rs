//! Claims on messages: a task that hands a message to the page, or asks the page about it, holds a
//! claim on it. So the page is never asked about a message that is just being handed to it.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::store::OutboxId;

/// The claimed messages of one sender.
#[derive(Debug, Clone, Default)]
pub(super) struct Claims(Arc<Mutex<HashSet<OutboxId>>>);

/// The exclusive right to work on a message. Dropping it releases the claim.
#[derive(Debug)]
pub(super) struct Claim {
    claims: Claims,
    id: OutboxId,
}

impl Claims {
    fn ids(&self) -> MutexGuard<'_, HashSet<OutboxId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a message is claimed.
    pub(super) fn has(&self, id: &OutboxId) -> bool {
        self.ids().contains(id)
    }

    /// Claims a message. Returns `None` if it is claimed already, or if `most` messages are.
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
