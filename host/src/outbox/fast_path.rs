//! The fast path: a message that nothing holds back is marked as being sent in the commit that
//! accepts it, and goes directly from there to the page.
//!
//! It saves two queries and a flush to the disk, which are most of the time until the page gets the
//! message. Whether something holds a message back is checked in that commit, so no message on the
//! fast path overtakes the queue; one that cannot take it is queued. If a message is lost on the
//! fast path, the page is asked about it later, as after a crash.

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

/// Messages of a session on the fast path at a time. Further ones are queued, where they can be
/// cancelled.
const CAPACITY: usize = 16;

/// The open fast paths, by session.
#[derive(Debug, Default)]
pub(super) struct FastPaths(Mutex<HashMap<ClientId, Entry>>);

#[derive(Debug)]
struct Entry {
    /// The lease token of the session's sender.
    token: i64,
    /// Messages on the fast path, claimed from before their commit until the page has answered.
    claims: Claims,
    begun: mpsc::Sender<Begun>,
}

/// A message whose sending has begun in the commit that accepted it.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) row: OutboxRow,
    _claim: Claim,
}

/// The right of one message to try the fast path.
#[derive(Debug)]
pub(super) struct Permit {
    pub(super) fast_path: FastPath,
    claim: Claim,
    begun: mpsc::Sender<Begun>,
}

/// The receiving end of a fast path. Dropping it closes the path.
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

    /// Opens the fast path of a session. `token` is the lease token of its sender.
    pub(super) fn open(self: &Arc<Self>, client: ClientId, token: i64) -> Receiver {
        // The channel never overflows, because each entry holds one of as many claims.
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

    /// Asks for a place on the fast path. Returns `None` if the session has no fast path now, or it
    /// is full.
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

    /// Whether a message is on the fast path. If so, the page must not be asked about it, because
    /// it may not have it yet.
    pub(super) fn has(&self, client: &ClientId, id: &OutboxId) -> bool {
        self.all()
            .get(client)
            .is_some_and(|path| path.claims.has(id))
    }
}

impl Permit {
    /// Passes the message on to the sender. If the path was closed meanwhile, the next page is
    /// asked about the message.
    pub(super) fn go(self, row: OutboxRow) {
        let _ = self.begun.try_send(Begun {
            row,
            _claim: self.claim,
        });
    }
}

impl Receiver {
    /// The next message, or `None` if the path is closed.
    pub(super) async fn next(&mut self) -> Option<Begun> {
        self.begun.recv().await
    }

    /// As [`Receiver::next`], without waiting.
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
