//! The fast path: a send that nothing holds back is begun in the commit that accepts it, and goes
//! to its page from there.
//!
//! It saves two looks at the table and a flush to the disk, which is most of the time before the
//! page is asked. Whether something holds the send back is found out in that commit, so nothing on
//! the fast path overtakes the queue; what cannot take it is queued. A send that is lost on the
//! fast path is found as one that was begun, like after a crash.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::mpsc;

use super::claims::{Claim, Claims};
use crate::{
    model::ClientId,
    store::{FastPath, OutboxId, OutboxRow},
};

/// Sends of a session on the fast path at a time. Those after them are queued, where they can be
/// taken back.
const CAPACITY: usize = 16;

/// The fast paths of the sessions whose page takes sends.
#[derive(Debug, Default)]
pub(super) struct FastPaths(Mutex<HashMap<ClientId, Entry>>);

#[derive(Debug)]
struct Entry {
    /// The lease of the session's sender.
    token: i64,
    /// From before a send is begun until the page has answered.
    claims: Claims,
    begun: mpsc::Sender<Begun>,
}

/// A send that was begun as it was accepted.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) row: OutboxRow,
    _claim: Claim,
}

/// The right of one send to try the fast path.
#[derive(Debug)]
pub(super) struct Permit {
    pub(super) fast_path: FastPath,
    claim: Claim,
    begun: mpsc::Sender<Begun>,
}

/// The end of a fast path at its page; it is closed when this is dropped.
#[derive(Debug)]
pub(super) struct Receiver {
    paths: Arc<FastPaths>,
    client: ClientId,
    begun: mpsc::Receiver<Begun>,
}

impl FastPaths {
    fn all(&self) -> MutexGuard<'_, HashMap<ClientId, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the fast path of a session; `token` is that of its sender's lease.
    pub(super) fn open(self: &Arc<Self>, client: ClientId, token: i64) -> Receiver {
        // There are never more than there are claims.
        let (sender, begun) = mpsc::channel(CAPACITY);
        self.all().insert(
            client.clone(),
            Entry {
                token,
                claims: Claims::default(),
                begun: sender,
            },
        );
        Receiver {
            paths: Arc::clone(self),
            client,
            begun,
        }
    }

    /// None: the session has no fast path now, or it is full.
    pub(super) fn permit(&self, client: &ClientId, id: &OutboxId) -> Option<Permit> {
        let paths = self.all();
        let path = paths.get(client)?;
        let claim = path.claims.claim(id, CAPACITY)?;
        Some(Permit {
            fast_path: FastPath { token: path.token },
            claim,
            begun: path.begun.clone(),
        })
    }

    /// Whether a send is on the fast path: asked about it now, the page might not have it yet.
    pub(super) fn has(&self, client: &ClientId, id: &OutboxId) -> bool {
        self.all()
            .get(client)
            .is_some_and(|path| path.claims.has(id))
    }
}

impl Permit {
    /// Hands a send that was begun to its page. If that is gone, the next one is asked what became
    /// of it.
    pub(super) fn go(self, row: OutboxRow) {
        let _ = self.begun.try_send(Begun {
            row,
            _claim: self.claim,
        });
    }
}

impl Receiver {
    /// The next send that was begun.
    pub(super) async fn next(&mut self) -> Option<Begun> {
        self.begun.recv().await
    }

    /// As [`Receiver::next`], if there is one already.
    #[cfg(test)]
    pub(super) fn try_next(&mut self) -> Option<Begun> {
        self.begun.try_recv().ok()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.paths.all().remove(&self.client);
    }
}
