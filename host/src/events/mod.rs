//! Events: a durable log, and the delivery of its events to receivers.
//!
//! Callers only wait until an event is appended. Routing and delivery follow later and read the log
//! from a durable cursor.

mod attempt;
mod credentials;
mod deliver;
mod gauges;
mod http;
mod letters;
mod receivers;
mod route;
mod shared;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::task::JoinHandle;

use self::shared::Shared;
pub use self::{
    letters::{DeliveryWithEvent, ReceiverReport},
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

/// The event log and its deliveries. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Events {
    shared: Arc<Shared>,
}

impl Events {
    /// Creates the log on `store`. `notifiers` route and deliver its events.
    #[must_use]
    pub fn new(store: Store, notifiers: Arc<dyn Notifiers>, delivery: config::Delivery) -> Self {
        Self {
            shared: Arc::new(Shared::new(store, notifiers, delivery)),
        }
    }

    /// Makes the envelope of an event that the caller commits together with another change. Call
    /// [`Events::committed`] afterwards.
    #[must_use]
    pub fn prepare(
        &self,
        session: &ClientId,
        account: Option<&Account>,
        mut event: Event,
    ) -> Envelope {
        let (id, at) = (EventId::new(&self.shared.next_ulid()), Timestamp::now());
        self.shared.credentials().take(session, &id, &mut event, at);
        metrics::counter!("wharf_events_total", "kind" => event.kind().to_owned()).increment(1);
        Envelope {
            id,
            at,
            session: session.clone(),
            account: account.cloned(),
            replayed: false,
            event,
        }
    }

    /// Wakes routing after prepared events were committed.
    pub fn committed(&self) {
        self.shared.appended.notify_one();
    }

    /// Appends an event. When this returns, it is on the disk.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn append(
        &self,
        session: &ClientId,
        account: Option<&Account>,
        event: Event,
    ) -> Result<(), StoreError> {
        self.shared
            .store
            .append_event(self.prepare(session, account, event))
            .await?;
        self.committed();
        Ok(())
    }

    /// Starts the tasks that route, deliver and count. They run until the returned handles are
    /// aborted.
    #[must_use]
    pub fn start(&self) -> Vec<JoinHandle<()>> {
        let [routing, delivering, gauging] = [(); 3].map(|()| Arc::clone(&self.shared));
        vec![
            tasks::forever("events.route", move || route::run(Arc::clone(&routing))),
            tasks::forever("events.deliver", move || {
                deliver::run(Arc::clone(&delivering))
            }),
            tasks::forever("events.gauges", move || gauges::run(Arc::clone(&gauging))),
        ]
    }
}
