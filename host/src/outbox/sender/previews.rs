//! Previews of links are asked for before a message is begun: the phone makes them, it may be off,
//! and whoever waits for it must wait alone. Until the page has answered, the message holds back
//! its own chat and no other.

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

/// Previews asked for at a time.
const AT_ONCE: usize = 8;
/// Messages whose preview was answered and that have not been begun since are forgotten when there
/// are more: they are asked about again.
const KEPT: usize = 256;

/// What the sender of a session knows of previews, for the page that it works with.
#[derive(Debug, Default)]
pub(super) struct Previews {
    /// Whether the page has answered.
    asked: Arc<Mutex<HashMap<OutboxId, bool>>>,
    /// Aborted when dropped.
    asking: Mutex<JoinSet<()>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Previews {
    /// Another page knows nothing of what the one before was asked.
    pub(super) fn forget(&self) {
        lock(&self.asking).abort_all();
        lock(&self.asked).clear();
    }

    /// Whether a message has to wait for its preview, which is asked for.
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
            // Whatever becomes of it, the message goes.
            if let Err(error) = page.preview(&send).await {
                debug!(%id, %error, "the page was asked for a preview in vain");
            }
            if let Some(answered) = lock(&asked).get_mut(&id) {
                *answered = true;
            }
            inner.accepted.notify_waiters();
        });
        true
    }
}
