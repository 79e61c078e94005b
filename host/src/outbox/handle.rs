//! [`Outbox`], the handle to the outbox, and the state that its parts share.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::{Notify, watch};

use super::{fast_path::FastPaths, waiters::Waiters};
use crate::{
    config,
    events::Events,
    model::{ClientId, Timestamp},
    plugins::Pipeline,
    store::Store,
    whatsapp::PageSending,
};

/// The page of a session, while there is one.
pub(super) type Page = watch::Receiver<Option<Arc<dyn PageSending>>>;

/// The outbox. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Outbox {
    pub(super) inner: Arc<Inner>,
}

/// State that the parts of the outbox share.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) store: Store,
    pub(super) pipeline: Arc<dyn Pipeline>,
    pub(super) events: Events,
    pub(super) settings: config::Send,
    /// Pacing of sessions that do not use the common one.
    pub(super) pacings: BTreeMap<ClientId, config::Pacing>,
    pub(super) waiters: Waiters,
    pub(super) fast_paths: Arc<FastPaths>,
    /// The pages of the sessions, for questions that callers ask beside the senders.
    pub(super) pages: Mutex<HashMap<ClientId, Page>>,
    /// Wakes the senders: a message may have entered a queue, or may be sent now.
    pub(super) accepted: Notify,
    /// Wakes the task that accepts recipients of bulk orders.
    pub(super) ordered: Notify,
    /// Held while recipients of bulk orders are accepted, and while the account of a session
    /// changes. Otherwise a message on its way into the queue would not be held.
    pub(super) orders: tokio::sync::Mutex<()>,
}

impl Outbox {
    /// Creates an outbox on `store`. `pipeline` renders and validates messages, and outcomes are
    /// appended to `events`. `pacings` are those of sessions that do not use the common one of
    /// `settings`.
    #[must_use]
    pub fn new(
        store: Store,
        pipeline: Arc<dyn Pipeline>,
        events: Events,
        settings: config::Send,
        pacings: BTreeMap<ClientId, config::Pacing>,
    ) -> Self {
        let (waiters, fast_paths, accepted, ordered) = (
            Waiters::default(),
            Arc::default(),
            Notify::new(),
            Notify::new(),
        );
        Self {
            inner: Arc::new(Inner {
                store,
                pipeline,
                events,
                settings,
                pacings,
                waiters,
                fast_paths,
                pages: Mutex::default(),
                accepted,
                ordered,
                orders: tokio::sync::Mutex::default(),
            }),
        }
    }
}

impl Inner {
    /// Addresses that were looked up before this time are too old to be used.
    pub(super) fn oldest_address(&self) -> Timestamp {
        let ttl =
            i64::try_from(self.settings.address_ttl.duration().as_millis()).unwrap_or(i64::MAX);
        Timestamp(Timestamp::now().0.saturating_sub(ttl))
    }

    /// Records where the page of a session is found. Those of sessions that have ended are
    /// forgotten.
    pub(super) fn keep_page(&self, client: ClientId, page: Page) {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.retain(|_, page| page.has_changed().is_ok());
        pages.insert(client, page);
    }

    /// The current page of a session, or `None` if it has none.
    pub(super) fn page(&self, client: &ClientId) -> Option<Arc<dyn PageSending>> {
        let pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        // The channel of a session that has ended still has its last page.
        let page = pages
            .get(client)
            .filter(|page| page.has_changed().is_ok())?;
        page.borrow().clone()
    }

    /// The pacing of a session.
    pub(super) fn pacing(&self, client: &ClientId) -> &config::Pacing {
        self.pacings.get(client).unwrap_or(&self.settings.pacing)
    }
}
