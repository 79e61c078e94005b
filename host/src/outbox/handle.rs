//! The outbox as others hold it, and what its parts share.

use std::{collections::BTreeMap, sync::Arc};

use tokio::sync::Notify;

use super::{fast_path::FastPaths, waiters::Waiters};
use crate::{
    config,
    events::Events,
    model::{ClientId, Timestamp},
    plugins::Pipeline,
    store::Store,
};

/// The outbox. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Outbox {
    pub(super) inner: Arc<Inner>,
}

/// What the parts of the outbox share.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) store: Store,
    pub(super) pipeline: Arc<dyn Pipeline>,
    pub(super) events: Events,
    pub(super) settings: config::Send,
    /// Of sessions that do not have the common one.
    pub(super) pacings: BTreeMap<ClientId, config::Pacing>,
    pub(super) waiters: Waiters,
    pub(super) fast_paths: Arc<FastPaths>,
    /// Something may have come into a queue, or may leave it now.
    pub(super) accepted: Notify,
    /// A bulk order was accepted.
    pub(super) ordered: Notify,
    /// Held while recipients of orders are accepted, and while a session gets another account: a
    /// send that is on its way into the queue would be missed.
    pub(super) orders: tokio::sync::Mutex<()>,
}

impl Outbox {
    /// An outbox on `store`; `pipeline` decides, `events` are told. `pacings` are those of sessions
    /// that do not have the common one of `settings`.
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
                accepted,
                ordered,
                orders: tokio::sync::Mutex::default(),
            }),
        }
    }
}

impl Inner {
    /// Looked up before, an address is not believed any more.
    pub(super) fn oldest_address(&self) -> Timestamp {
        let ttl =
            i64::try_from(self.settings.address_ttl.duration().as_millis()).unwrap_or(i64::MAX);
        Timestamp(Timestamp::now().0.saturating_sub(ttl))
    }

    /// How fast a session sends.
    pub(super) fn pacing(&self, client: &ClientId) -> &config::Pacing {
        self.pacings.get(client).unwrap_or(&self.settings.pacing)
    }
}
