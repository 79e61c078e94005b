//! Periodic work: deletes message bodies and old rows, cleans up caches and orphaned profiles in
//! the session path, counts the queues, and watches the place of the database.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval},
};
use tracing::{debug, info, warn};

use crate::{
    config::{Config, Millis},
    model::Timestamp,
    services::{self, Registry},
    session::Cleanup,
    store::{QUEUE_PLACES, Store, StoreError},
    tasks::{self, Trouble},
};

const PERIOD: Duration = Duration::from_secs(3600);
/// Bodies are deleted more often than rows: a little work each minute disturbs less than much each
/// hour, and an operator with a short `keep_bodies` does not expect an hour's delay.
const BODIES: Duration = Duration::from_secs(60);

/// Interval between checks that the database is at its place.
const PLACE: Duration = Duration::from_secs(5);

/// Interval at which samples of metrics are folded into their counts.
const SAMPLES: Duration = Duration::from_secs(5);

/// Interval between counts of the queues for the metrics.
const QUEUES: Duration = Duration::from_secs(15);

pub(super) fn start(
    store: Store,
    config: Arc<Config>,
    sessions: Arc<Registry>,
    metrics: PrometheusHandle,
) -> [JoinHandle<()>; 5] {
    let (watched, keep) = (store.clone(), Arc::clone(&config));
    let (counted, counting) = (store.clone(), Arc::clone(&sessions));
    [
        tasks::forever("upkeep.metrics", move || drain(metrics.clone())),
        tasks::forever("upkeep.queues", move || {
            count_queues(counted.clone(), Arc::clone(&counting))
        }),
        tasks::forever("upkeep.place", move || watch_place(watched.clone())),
        tasks::forever("upkeep.forget", move || {
            forget(store.clone(), Arc::clone(&keep))
        }),
        tasks::forever("upkeep.tidy", move || {
            tidy(Arc::clone(&config), Arc::clone(&sessions))
        }),
    ]
}

/// Folds the samples of the histograms into their counts. Without this each observation stays in
/// memory until the next scrape, and for ever where nobody scrapes.
async fn drain(metrics: PrometheusHandle) {
    let mut clock = interval(SAMPLES);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        clock.tick().await;
        metrics.run_upkeep();
    }
}

/// Notices when the database was moved away or is back. The store acts on it.
async fn watch_place(store: Store) {
    let mut clock = interval(PLACE);
    loop {
        clock.tick().await;
        // The store logs a change.
        let _ = store.look_at_place();
    }
}

/// Sets the metric of the messages in each session's queue. Counting periodically is cheaper than
/// at each change of a message.
async fn count_queues(store: Store, sessions: Arc<Registry>) {
    let mut clock = interval(QUEUES);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut shown = BTreeSet::<String>::new();
    loop {
        clock.tick().await;
        let counts = match store.queue_counts().await {
            Ok(counts) => counts,
            Err(error) => {
                debug!(%error, "the queues cannot be counted");
                continue;
            }
        };
        let there = sessions
            .all()
            .iter()
            .map(|handle| handle.client().to_string())
            .collect();
        for (client, place, count) in gauges(&mut shown, there, &counts) {
            metrics::gauge!("wharf_queue_messages", "session" => client, "state" => place)
                .set(count as f64);
        }
    }
}

/// The values of the metric: session, state and number of messages. `shown` are the sessions of the
/// previous count, and becomes those of this one.
///
/// A session that has neither a supervisor nor messages any more is set to 0 once. The metrics
/// library cannot remove a single series, so that 0 stays until the restart.
fn gauges(
    shown: &mut BTreeSet<String>,
    mut there: BTreeSet<String>,
    counts: &[(String, &'static str, u64)],
) -> Vec<(String, &'static str, u64)> {
    there.extend(counts.iter().map(|(client, ..)| client.clone()));
    let values = there.union(shown).flat_map(|client| {
        QUEUE_PLACES.map(|place| {
            let of = counts
                .iter()
                .find(|(whose, at, _)| whose == client && *at == place);
            (client.clone(), place, of.map_or(0, |(_, _, count)| *count))
        })
    });
    let values = values.collect();
    *shown = there;
    values
}

async fn tidy(config: Arc<Config>, sessions: Arc<Registry>) {
    let mut clock = interval(PERIOD);
    loop {
        clock.tick().await;
        match services::clean(&config.sessions.path, &sessions, false).await {
            Ok(done) if done != Cleanup::default() => {
                info!(
                    removed = done.removed.len(),
                    quarantined = done.quarantined.len(),
                    bytes = done.bytes_freed,
                    "clean-up"
                );
            }
            Ok(_) => {}
            Err(reason) => warn!(reason, "the session path was not cleaned"),
        }
        if let Err(error) = sessions.end_orphaned_sends().await {
            warn!(%error, "messages of deleted sessions were not ended; this is tried again in an hour");
        }
    }
}

async fn forget(store: Store, config: Arc<Config>) {
    let mut clock = interval(BODIES);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut rows_at = Instant::now();
    // The write-ahead log may still contain what was deleted before the last stop.
    let mut in_log = true;
    let (mut kept, mut full) = (Trouble::default(), Trouble::default());
    loop {
        clock.tick().await;
        let rows = rows_at <= Instant::now();
        match forget_once(&store, &config, rows).await {
            Ok(went) => {
                in_log |= went;
                if kept.is_over() {
                    info!("old data is deleted again");
                }
                if rows {
                    rows_at = Instant::now() + PERIOD;
                }
            }
            Err(error) => {
                in_log = true;
                if kept.is_new(&error) {
                    warn!(%error, "not all old data was deleted; this is tried again every minute");
                }
            }
        }
        if in_log {
            match store.empty_log().await {
                Ok(emptied) => {
                    in_log = !emptied;
                    full.is_over();
                }
                Err(error) if full.is_new(&error) => {
                    warn!(%error, "the database's write-ahead log was not emptied; this is tried again every minute")
                }
                Err(_) => {}
            }
        }
    }
}

/// Deletes what is older than the configuration keeps, in small steps. Returns whether anything was
/// deleted.
///
/// A step that fails stops no other: what messages say is deleted in time even if some table cannot
/// be pruned. The first error is returned at the end.
async fn forget_once(store: &Store, config: &Config, rows: bool) -> Result<bool, StoreError> {
    let keep = &config.storage;
    let mut steps = Steps::default();
    steps.note(store.redact(before(keep.keep_bodies)).await);
    steps.note(store.forget_copies(before(keep.keep_bodies)).await);
    if rows {
        let events = before(keep.keep_events);
        let paced = Timestamp::now().minus(Duration::from_secs(2 * 86_400));
        steps.note(store.prune_paced(paced).await.map(|()| false));
        steps.note(
            store
                .prune_outbox(before(keep.keep_messages), before(keep.keep_idempotency))
                .await,
        );
        let unused = Millis(keep.keep_messages.0.max(86_400_000));
        steps.note(store.prune_configs(before(unused)).await);
        steps.note(store.prune_inbound(events).await);
        let given_up = store
            .give_up_deliveries(before(config.delivery.max_age))
            .await;
        if let Ok(deliveries @ 1..) = given_up {
            warn!(
                deliveries,
                "receivers failed for longer than [delivery] max_age; the deliveries that waited for them are dead letters; see wharf deliveries receivers"
            );
        }
        steps.note(given_up.map(|_| false));
        steps.note(
            store
                .prune_dead_letters(before(keep.keep_dead_letters))
                .await,
        );
        steps.note(store.prune_events(events).await);
    }
    steps.note(store.give_back().await);
    steps.failed.map_or(Ok(steps.went), Err)
}

/// What the steps of one clean-up came to.
#[derive(Debug, Default)]
struct Steps {
    went: bool,
    /// The first error.
    failed: Option<StoreError>,
}

impl Steps {
    fn note(&mut self, step: Result<bool, StoreError>) {
        match step {
            Ok(went) => self.went |= went,
            Err(error) => {
                self.failed.get_or_insert(error);
            }
        }
    }
}

fn before(age: Millis) -> Timestamp {
    Timestamp::now().minus(age.duration())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{Address, Content, Envelope, Event, EventId, InboundMessage, MessageId},
        store::scratch,
    };

    #[test]
    fn a_session_that_is_gone_is_set_to_zero_once_and_then_forgotten() {
        let mut shown = BTreeSet::new();
        let mut of = |there: &[&str], counts: &[(&str, &'static str, u64)]| {
            let there = there.iter().map(|client| (*client).to_owned()).collect();
            let counts: Vec<_> = counts
                .iter()
                .map(|(client, place, count)| ((*client).to_owned(), *place, *count))
                .collect();
            gauges(&mut shown, there, &counts)
                .into_iter()
                .filter(|(_, place, _)| *place == QUEUE_PLACES[0])
                .map(|(client, _, count)| (client, count))
                .collect::<Vec<_>>()
        };
        let waiting = QUEUE_PLACES[0];
        assert_eq!(
            of(&["a", "b"], &[("a", waiting, 2), ("gone", waiting, 1)]),
            [("a".into(), 2), ("b".into(), 0), ("gone".into(), 1)]
        );
        // A deleted session whose messages have not ended still has a queue.
        assert_eq!(
            of(&["a"], &[("gone", waiting, 1)]),
            [("a".into(), 0), ("b".into(), 0), ("gone".into(), 1)]
        );
        assert_eq!(of(&["a"], &[]), [("a".into(), 0), ("gone".into(), 0)]);
        assert_eq!(of(&["a"], &[]), [("a".into(), 0)]);
    }

    #[test]
    fn an_age_without_an_end_is_before_everything() {
        assert!(before(Millis(u64::MAX)) < Timestamp(0));
        let now = Timestamp::now();
        assert!(before(Millis(0)) >= now);
    }

    #[tokio::test]
    async fn a_table_that_cannot_be_pruned_keeps_no_text_alive() {
        let (_dir, store) = scratch().await;
        let address = Address {
            chat: "1@c.us".into(),
            pn: None,
            lid: None,
        };
        let message = InboundMessage {
            id: MessageId("3EB0".into()),
            chat: address.clone(),
            sender: address,
            from_me: false,
            push_name: None,
            sent_at: Timestamp(1),
            content: Content::text("hello"),
            reply_to: None,
        };
        let mut config = Config::default();
        config.storage.keep_bodies = Millis(0);
        let envelope = Envelope {
            id: EventId::new("1"),
            at: Timestamp(1),
            session: "default".parse().expect("id"),
            account: None,
            replayed: false,
            event: Event::MessageReceived(message),
        };
        store.append_event(envelope).await.expect("appended");
        store
            .route("deliveries", vec![(1, vec![])])
            .await
            .expect("routed");
        store.spoil("DROP TABLE paced").await;

        assert!(forget_once(&store, &config, true).await.is_err());
        let events = store.events_after(0, 10).await.expect("read");
        let bodies: Vec<_> = events
            .iter()
            .map(|event| match &event.envelope.event {
                Event::MessageReceived(message) => message.content.body(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert!(bodies.iter().all(Option::is_none), "{bodies:?}");
        // With keep_events at its default an event of 1970 is pruned too.
        assert!(bodies.len() <= 1);
    }
}
