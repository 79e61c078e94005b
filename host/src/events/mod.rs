//! Events: a durable log, and who is told of it.
//!
//! Appending is all that others wait for. Routing and delivery read the log behind them, from a durable cursor.

mod deliver;
mod http;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{sync::Notify, task::JoinHandle};
use tracing::warn;

use crate::{
    config,
    model::{Account, ClientId, Envelope, Event, EventId, Timestamp},
    plugins::{Notifiers, Subject},
    store::{NewDelivery, Store, StoreError},
    tasks,
};

/// Events routed at a time.
const BATCH: u32 = 64;
/// Events rarely come alone; those of this time are routed together, in one commit.
const GATHER: std::time::Duration = std::time::Duration::from_millis(10);
/// QR texts kept for delivery. They live a minute, so a few are plenty.
const QR_KEPT: usize = 8;
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
    /// A QR text is a credential: it is kept here for those who were granted it, never in the log.
    qr_texts: Mutex<VecDeque<(EventId, String)>>,
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
            delivery,
            ids: Mutex::new(ulid::Generator::new()),
            qr_texts: Mutex::new(VecDeque::new()),
            appended: Notify::new(),
            due: Notify::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Makes the envelope of an event that is committed together with something else; [`Events::committed`] afterwards.
    #[must_use]
    pub fn prepare(&self, session: &ClientId, account: Option<&Account>, mut event: Event) -> Envelope {
        let id = EventId::new(&self.inner.next_ulid());
        if let Some(code) = event.credential() {
            let mut texts = self.inner.qr_texts.lock().unwrap_or_else(PoisonError::into_inner);
            texts.push_back((id.clone(), std::mem::take(code)));
            if texts.len() > QR_KEPT {
                texts.pop_front();
            }
        }
        metrics::counter!("wharf_events_total", "kind" => event.kind().to_owned()).increment(1);
        Envelope { id, at: Timestamp::now(), session: session.clone(), account: account.cloned(), replayed: false, event }
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

    /// Starts routing and delivering; they end with the handles.
    #[must_use]
    pub fn start(&self) -> Vec<JoinHandle<()>> {
        let (routing, delivering) = (Arc::clone(&self.inner), Arc::clone(&self.inner));
        vec![
            tasks::forever("events.route", move || route(Arc::clone(&routing))),
            tasks::forever("events.deliver", move || deliver::run(Arc::clone(&delivering))),
        ]
    }

    /// Takes a dead letter up again. False when there is none of that name.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn replay(&self, delivery: &str) -> Result<bool, StoreError> {
        let revived = self.inner.store.revive(delivery).await?;
        self.inner.due.notify_one();
        Ok(revived)
    }
}

impl Inner {
    /// Later ids sort after earlier ones, also within a millisecond.
    fn next_ulid(&self) -> String {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        // Fails only after 2^80 ids in one millisecond.
        ids.generate().unwrap_or_else(|_| ulid::Ulid::generate()).to_string().to_ascii_lowercase()
    }

    /// The event as notifiers see it: with its QR text, while that is known.
    fn complete(&self, mut envelope: Envelope) -> Envelope {
        if envelope.event.is_credential() {
            let texts = self.qr_texts.lock().unwrap_or_else(PoisonError::into_inner);
            let known = texts.iter().find(|(id, _)| *id == envelope.id);
            if let (Some((_, text)), Some(code)) = (known, envelope.event.credential()) {
                code.clone_from(text);
            }
        }
        envelope
    }

    /// The deliveries that an event gives rise to.
    async fn targets(&self, envelope: Envelope) -> Vec<NewDelivery> {
        let mut new = Vec::new();
        for plugin in self.notifiers.interested(&envelope) {
            let subject = Subject { session: envelope.session.clone(), id: envelope.id.0.clone(), traceparent: String::new(), attempt: 1 };
            let delivery =
                |target: String, dead: Option<String>| NewDelivery { id: format!("dlv_{}", self.next_ulid()), plugin: plugin.clone(), target, dead };
            match self.notifiers.route(&plugin, &subject, &envelope).await {
                Ok(targets) => new.extend(targets.into_iter().map(|target| delivery(target, None))),
                Err(failure) => {
                    warn!(event = envelope.id.0, %failure, "a notifier could not say who is told; kept as a dead letter");
                    new.push(delivery(String::new(), Some(failure.to_string())));
                }
            }
        }
        new
    }
}

async fn route(inner: Arc<Inner>) {
    let mut cursor = None;
    loop {
        match route_batch(&inner, &mut cursor).await {
            Ok(true) => {}
            Ok(false) => {
                inner.appended.notified().await;
                tokio::time::sleep(GATHER).await;
            }
            Err(error) => {
                cursor = None;
                warn!(%error, "events cannot be routed");
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
        }
    }
}

/// Turns the events after the cursor (none: as stored) into deliveries. False: there are no more.
async fn route_batch(inner: &Inner, cursor: &mut Option<i64>) -> Result<bool, StoreError> {
    let after = match *cursor {
        Some(seq) => seq,
        None => inner.store.cursor(CURSOR).await?,
    };
    let events = inner.store.events_after(after, BATCH).await?;
    let targets = events.iter().map(|event| inner.targets(inner.complete(event.envelope.clone())));
    let new = futures_util::future::join_all(targets).await;
    let any = new.iter().flatten().any(|delivery| delivery.dead.is_none());
    inner.store.route(CURSOR, events.iter().map(|event| event.seq).zip(new).collect()).await?;
    *cursor = Some(events.last().map_or(after, |event| event.seq));
    if any {
        inner.due.notify_one();
    }
    Ok(events.len() == usize::try_from(BATCH).unwrap_or(usize::MAX))
}
