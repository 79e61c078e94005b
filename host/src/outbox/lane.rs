//! The short way: a send that nothing holds back is begun in the commit that takes it in, and goes to its page from there.
//!
//! It saves two looks at the table and a flush to the disk, which is most of the time before the page is asked. Whether
//! something holds it back is found out in that commit, so nothing on the short way passes the line; what cannot take it
//! stands in the line as ever. A send that is lost on the short way is found as one that was begun, like after a crash.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::Ordering},
};

use futures_util::{StreamExt, stream::FuturesUnordered};
use tokio::sync::mpsc;

use super::{
    going::{Going, Place},
    sender::{Sender, page_send},
};
use crate::{
    model::ClientId,
    store::{OutboxId, OutboxRow, Shortcut, StoreError},
    whatsapp::PageSending,
};

/// Sends of a session on the short way at a time. Those behind them wait in the line, where they can be taken back.
const PLACES: usize = 16;

/// The lanes of the sessions whose page takes sends.
#[derive(Debug, Default)]
pub(super) struct Lanes(Mutex<HashMap<ClientId, Lane>>);

#[derive(Debug)]
struct Lane {
    token: i64,
    /// From before they are begun until the page has answered.
    going: Going,
    begun: mpsc::Sender<Begun>,
}

/// A send that was begun as it was accepted.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) row: OutboxRow,
    _place: Place,
}

/// The right of one send to try the short way.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) shortcut: Shortcut,
    place: Place,
    begun: mpsc::Sender<Begun>,
}

/// The end of a lane at its page; closed when dropped.
#[derive(Debug)]
pub(super) struct Open {
    lanes: Arc<Lanes>,
    client: ClientId,
    begun: mpsc::Receiver<Begun>,
}

impl Lanes {
    fn all(&self) -> MutexGuard<'_, HashMap<ClientId, Lane>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the lane of a session; `token` is that of its sender's lease.
    pub(super) fn open(self: &Arc<Self>, client: ClientId, token: i64) -> Open {
        // There are never more than there are places.
        let (sender, begun) = mpsc::channel(PLACES);
        self.all().insert(client.clone(), Lane { token, going: Going::default(), begun: sender });
        Open { lanes: Arc::clone(self), client, begun }
    }

    /// None: there is no lane, or it is full.
    pub(super) fn ticket(&self, client: &ClientId, id: &OutboxId) -> Option<Ticket> {
        let lanes = self.all();
        let lane = lanes.get(client)?;
        let place = lane.going.enter(id, PLACES)?;
        Some(Ticket { shortcut: Shortcut { token: lane.token }, place, begun: lane.begun.clone() })
    }

    /// Whether a send is on the short way: asked about now, the page might not have it yet.
    pub(super) fn has(&self, client: &ClientId, id: &OutboxId) -> bool {
        self.all().get(client).is_some_and(|lane| lane.going.has(id))
    }
}

impl Ticket {
    /// Hands a send that was begun to its page. If that is gone, the next one is asked what became of it.
    pub(super) fn go(self, row: OutboxRow) {
        let _ = self.begun.try_send(Begun { row, _place: self.place });
    }
}

impl Open {
    /// The next send that was begun.
    pub(super) async fn next(&mut self) -> Option<Begun> {
        self.begun.recv().await
    }

    /// As [`Open::next`], if there is one already.
    #[cfg(test)]
    pub(super) fn try_next(&mut self) -> Option<Begun> {
        self.begun.try_recv().ok()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.lanes.all().remove(&self.client);
    }
}

impl Sender {
    /// From here on sends may take the short way.
    pub(super) fn lane(&self) -> Open {
        self.inner.lanes.open(self.client.clone(), self.token)
    }

    /// Gives the page what was begun as it was accepted. Each is the only one of its chat.
    pub(super) async fn short_way(&self, page: &Arc<dyn PageSending>, mut lane: Open) -> Result<(), StoreError> {
        let mut given = FuturesUnordered::new();
        loop {
            tokio::select! {
                begun = lane.next() => match begun {
                    Some(begun) => given.push(self.give_begun(page, begun)),
                    None => return Ok(()),
                },
                Some(result) = given.next() => result?,
            }
        }
    }

    pub(super) async fn give_begun(&self, page: &Arc<dyn PageSending>, begun: Begun) -> Result<(), StoreError> {
        let row = &begun.row;
        match page.send(&page_send(&row.message_id, &row.message)).await {
            Ok(stored) if !stored.duplicate => {
                self.inner.waiters.stored(&row.id, &stored);
                self.inner.store.stored_as_soon(&row.id, &stored.address, &stored.key).await?;
                self.inner.waiters.wake(&row.id);
            }
            other => drop(self.given(page, row, other).await?),
        }
        if self.line_waits.swap(false, Ordering::AcqRel) {
            self.inner.accepted.notify_waiters();
        }
        Ok(())
    }
}
