//! Link previews, which are requested before a message is sent. The phone makes them, and it may be
//! off, so a message that waits for its preview holds back its own chat and no other.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::task::JoinSet;
use tracing::debug;

use super::page_send::page_send;
use crate::{
    model::OutboundMessage,
    outbox::{handle::Inner, links::may_have_link},
    store::{OutboxId, OutboxRow},
    whatsapp::PageSending,
};

/// Previews that are requested at a time.
const AT_ONCE: usize = 8;
/// Maximum number of messages that are remembered. When it is reached, those whose preview was
/// answered are forgotten; if they are still to be sent, it is requested again.
const KEPT: usize = 256;

/// The preview requests of a sender to its current page.
#[derive(Debug, Default)]
pub(super) struct Previews {
    /// Whether the page has answered, by message.
    asked: Arc<Mutex<HashMap<OutboxId, bool>>>,
    /// The tasks of the requests; aborted when dropped.
    asking: Mutex<JoinSet<()>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Previews {
    /// Forgets all requests, because a new page knows nothing of those to the previous one.
    pub(super) fn forget(&self) {
        lock(&self.asking).abort_all();
        lock(&self.asked).clear();
    }

    /// Whether a message has to wait for its preview. Requests the preview if that was not done
    /// yet.
    pub(super) fn holds(
        &self,
        inner: &Arc<Inner>,
        page: &Arc<dyn PageSending>,
        row: &OutboxRow,
        message: &OutboundMessage,
    ) -> bool {
        if !may_have_link(&message.content) {
            return false;
        }
        let mut asked = lock(&self.asked);
        match asked.get(&row.id) {
            Some(true) => {
                asked.remove(&row.id);
                return false;
            }
            Some(false) => return true,
            None if asked.values().filter(|answered| !**answered).count() >= AT_ONCE => {
                return true;
            }
            None if asked.len() >= KEPT => asked.retain(|_, answered| !*answered),
            None => {}
        }
        asked.insert(row.id.clone(), false);
        drop(asked);
        let (inner, page, asked) = (Arc::clone(inner), Arc::clone(page), Arc::clone(&self.asked));
        let (id, send) = (row.id.clone(), page_send(&row.message_id, message));
        let mut asking = lock(&self.asking);
        while asking.try_join_next().is_some() {}
        asking.spawn(async move {
            // The message is sent even if there is no preview.
            if let Err(error) = page.preview(&send).await {
                debug!(%id, %error, "the page could not get a link preview");
            }
            if let Some(answered) = lock(&asked).get_mut(&id) {
                *answered = true;
            }
            inner.accepted.notify_waiters();
        });
        true
    }
}
