//! Events: a durable log, and who is told of it.
//!
//! Appending is all that others wait for. Routing and delivery read the log behind them, from a durable cursor.

mod addresses;
mod attempt;
mod credentials;
mod deliver;
mod gauges;
mod http;
mod letters;
mod limits;
mod receivers;
mod route;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::{sync::Notify, task::JoinHandle};

use self::{credentials::Credentials, receivers::Receivers};
pub use self::{
    letters::{Letter, ReceiverReport},
    receivers::Failing,
};
pub use crate::store::{Delivery, DeliveryFilter, DeliveryState};
use crate::{
    config,
    model::{Account, ClientId, Envelope, Event, EventId, Timestamp},
    plugins::Notifiers,
    store::{Store, StoreError},
    tasks,
};

const CURSOR: &str = "deliveries";

/// The event log and its deliveries. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Events {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    notifiers: Arc<dyn Notifiers>,
    delivery: config::Delivery,
    ids: Mutex<ulid::Generator>,
    credentials: Mutex<Credentials>,
    receivers: Mutex<Receivers>,
    appended: Notify,
    due: Notify,
}

impl Events {
    /// A log on `store`, told by `notifiers`.
    #[must_use]
    pub fn new(store: Store, notifiers: Arc<dyn Notifiers>, delivery: config::Delivery) -> Self {
        let inner = Inner {
            store,
            notifiers,
            receivers: Mutex::new(Receivers::new(delivery.per_receiver, delivery.concurrency)),
            delivery,
            ids: Mutex::new(ulid::Generator::new()),
            credentials: Mutex::default(),
            appended: Notify::new(),
            due: Notify::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Makes the envelope of an event that is committed together with something else; [`Events::committed`] afterwards.
    #[must_use]
    pub fn prepare(&self, session: &ClientId, account: Option<&Account>, mut event: Event) -> Envelope {
        let (id, at) = (EventId::new(&self.inner.next_ulid()), Timestamp::now());
        self.inner.credentials.lock().unwrap_or_else(PoisonError::into_inner).take(session, &id, &mut event, at);
        metrics::counter!("wharf_events_total", "kind" => event.kind().to_owned()).increment(1);
        Envelope { id, at, session: session.clone(), account: account.cloned(), replayed: false, event }
    }

    /// Events were committed: they are routed now.
    pub fn committed(&self) {
        self.inner.appended.notify_one();
    }

    /// Appends an event. It is on the disk when this returns.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn append(&self, session: &ClientId, account: Option<&Account>, event: Event) -> Result<(), StoreError> {
        self.inner.store.append_event(self.prepare(session, account, event)).await?;
        self.committed();
        Ok(())
    }

    /// Starts routing, delivering and counting; they end with the handles.
    #[must_use]
    pub fn start(&self) -> Vec<JoinHandle<()>> {
        let [routing, delivering, gauging] = [(); 3].map(|()| Arc::clone(&self.inner));
        vec![
            tasks::forever("events.route", move || route::run(Arc::clone(&routing))),
            tasks::forever("events.deliver", move || deliver::run(Arc::clone(&delivering))),
            tasks::forever("events.gauges", move || gauges::run(Arc::clone(&gauging))),
        ]
    }
}

impl Inner {
    /// Later ids sort after earlier ones, also within a millisecond.
    fn next_ulid(&self) -> String {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        // Fails only after 2^80 ids in one millisecond.
        ids.generate().unwrap_or_else(|_| ulid::Ulid::generate()).to_string().to_ascii_lowercase()
    }

    /// The event as notifiers see it: with its code, if it has one. None: that can be used no more.
    fn complete(&self, envelope: Envelope) -> Option<Envelope> {
        self.credentials.lock().unwrap_or_else(PoisonError::into_inner).complete(envelope, Timestamp::now())
    }

    fn receivers(&self) -> MutexGuard<'_, Receivers> {
        self.receivers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
