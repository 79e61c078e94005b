//! Routing: turns events into deliveries.
//!
//! A notifier may store what it sees here, such as an opt-out, so it has to see every event. If it
//! fails, a delivery without a target is stored, whose attempts ask it again.

use std::{collections::BTreeMap, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::join_all};
use tracing::{debug, info, warn};

use super::{
    attempt::{FIRST_PAUSE, bounded, later},
    receivers::{ReceiverId, Seen},
    shared::{CURSOR, Shared},
};
use crate::{
    model::{Envelope, Event, Timestamp},
    plugins::{Notifiers, Subject},
    store::{NewDelivery, StoreError, StoredEvent},
    tasks::Trouble,
};

/// Events routed at a time.
const BATCH: u32 = 64;
/// Events rarely come alone. Those that arrive within this time are routed together, in one commit.
const GATHER: Duration = Duration::from_millis(10);

pub(super) async fn run(shared: Arc<Shared>) {
    let (mut cursor, mut trouble) = (None, Trouble::default());
    loop {
        let routed = route_batch(&shared, &mut cursor).await;
        if routed.is_ok() && trouble.is_over() {
            info!("events are routed again");
        }
        match routed {
            Ok(true) => {}
            Ok(false) => {
                shared.appended.notified().await;
                tokio::time::sleep(GATHER).await;
            }
            Err(error) => {
                cursor = None;
                if trouble.is_new(&error) {
                    warn!(%error, "events cannot be routed; it is retried until they can");
                }
                tokio::time::sleep(FIRST_PAUSE).await;
            }
        }
    }
}

/// Turns the next events after `cursor` into deliveries; `None` reads the stored cursor. Returns
/// `false` if there are no more.
async fn route_batch(shared: &Shared, cursor: &mut Option<i64>) -> Result<bool, StoreError> {
    let after = match *cursor {
        Some(seq) => seq,
        None => shared.store.cursor(CURSOR).await?,
    };
    let events = shared.store.events_after(after, BATCH).await?;
    let (full, last) = (
        events.len() == usize::try_from(BATCH).unwrap_or(usize::MAX),
        events.last().map_or(after, |event| event.seq),
    );
    let new: Vec<_> = join_all(
        by_chat(events)
            .into_iter()
            .map(|events| in_order(shared, events)),
    )
    .await
    .into_iter()
    .flatten()
    .collect();
    let any = new.iter().any(|(_, new)| !new.is_empty());
    shared.store.route(CURSOR, new).await?;
    *cursor = Some(last);
    if any {
        shared.due.notify_one();
    }
    Ok(full)
}

/// Groups the events. Messages of one chat are routed in order, because the last one of STOP and
/// START counts. All other events are routed concurrently.
fn by_chat(events: Vec<StoredEvent>) -> Vec<Vec<StoredEvent>> {
    let (mut chats, mut others) = (
        BTreeMap::<(String, String), Vec<StoredEvent>>::new(),
        Vec::new(),
    );
    for event in events {
        match &event.envelope.event {
            Event::MessageReceived(message) => {
                let chat = (
                    event.envelope.session.to_string(),
                    message.chat.chat.clone(),
                );
                chats.entry(chat).or_default().push(event);
            }
            _ => others.push(vec![event]),
        }
    }
    chats.into_values().chain(others).collect()
}

async fn in_order(shared: &Shared, events: Vec<StoredEvent>) -> Vec<(i64, Vec<NewDelivery>)> {
    let mut all = Vec::with_capacity(events.len());
    for StoredEvent { seq, envelope } in events {
        all.push((seq, shared.route(envelope).await));
    }
    all
}

impl Shared {
    /// Asks the interested notifiers for the targets of an event, and returns its deliveries.
    async fn route(&self, envelope: Envelope) -> Vec<NewDelivery> {
        let id = envelope.id.0.clone();
        let Some(envelope) = self.complete(envelope) else {
            debug!(event = id, "an expired code is delivered to nobody");
            return Vec::new();
        };
        let mut new = Vec::new();
        let notifiers = Arc::clone(&self.notifiers).round();
        for plugin in notifiers.interested(&envelope) {
            let unnamed = ReceiverId {
                plugin: plugin.clone(),
                target: String::new(),
            };
            // The events of other notifiers do not wait for one that fails repeatedly.
            if self.receivers().is_open(&unnamed) {
                new.push(self.new_delivery(
                    &plugin,
                    String::new(),
                    Some((
                        0,
                        Timestamp::now(),
                        "not routed yet: the circuit breaker of the notifier is open".into(),
                    )),
                ));
                continue;
            }
            match Self::targets_of(&*notifiers, &plugin, &envelope, 1).await {
                Ok(targets) => {
                    self.receivers().routed(&unnamed, &id, Seen::Well);
                    new.extend(
                        targets
                            .into_iter()
                            .map(|target| self.new_delivery(&plugin, target, None)),
                    );
                }
                Err(reason) => {
                    self.receivers()
                        .routed(&unnamed, &id, Seen::Failed(reason.clone()));
                    new.push(self.new_delivery(
                        &plugin,
                        String::new(),
                        Some((1, later(self, FIRST_PAUSE), reason)),
                    ));
                }
            }
        }
        new
    }

    /// Asks a notifier for the targets of an event.
    pub(super) async fn targets_of(
        notifiers: &dyn Notifiers,
        plugin: &str,
        envelope: &Envelope,
        attempt: u32,
    ) -> Result<Vec<String>, String> {
        let subject = Subject {
            session: envelope.session.clone(),
            id: envelope.id.0.clone(),
            attempt,
        };
        // A panic costs this event an attempt and affects no other event.
        let asked = AssertUnwindSafe(notifiers.route(plugin, &subject, envelope))
            .catch_unwind()
            .await;
        match asked {
            Ok(Ok(targets)) => Ok(targets.into_iter().map(String::from).collect()),
            Ok(Err(failure)) => Err(bounded(failure.to_string())),
            Err(_) => Err(
                "the gateway panicked while it asked the notifier for targets; its log says more"
                    .into(),
            ),
        }
    }

    /// Makes a delivery. `again` is the number of attempts so far, when the next one is due, and
    /// why.
    pub(super) fn new_delivery(
        &self,
        plugin: &str,
        target: String,
        again: Option<(u32, Timestamp, String)>,
    ) -> NewDelivery {
        let (attempt, again) = again.map_or((0, None), |(attempt, at, reason)| {
            (attempt, Some((at, reason)))
        });
        NewDelivery {
            id: format!("dlv_{}", self.next_ulid()),
            plugin: plugin.to_owned(),
            target,
            attempt,
            again,
        }
    }
}
