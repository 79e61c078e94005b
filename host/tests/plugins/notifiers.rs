//! Notifiers whose events are really delivered: their mistakes affect only their own deliveries,
//! and what they must remember is not lost when they fail.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tokio::task::JoinHandle;
use wharf::{
    config,
    events::{Delivery, DeliveryFilter, DeliveryState, Events},
    model::{Address, Content, Event, InboundMessage, MessageId, Timestamp},
    plugins::{Decision, KvError, KvSpace, KvStore, Pipeline, PluginHost},
    store::Store,
};

use crate::{
    receiver::{Manner, Receiver},
    support::{Place, assert_serves_on, odd, odd_and_good, rejected, subject, text},
};

struct Running {
    events: Events,
    host: Arc<PluginHost>,
    tasks: Vec<JoinHandle<()>>,
    _place: Place,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Running {
    async fn of(place: Place, entries: &str, max_attempts: u32) -> Self {
        let host = Arc::new(place.load(entries).await.expect("it loads"));
        let store = Store::open(&place.dir.path().join("events.db"))
            .await
            .expect("a store");
        let events = Events::new(
            store,
            Arc::<PluginHost>::clone(&host),
            config::Delivery {
                max_attempts,
                ..config::Delivery::default()
            },
        );
        let tasks = events.start();
        Self {
            events,
            host,
            tasks,
            _place: place,
        }
    }

    async fn tell(&self, event: Event) {
        self.events
            .append(&"odd".parse().expect("a client id"), None, event)
            .await
            .expect("appended");
    }

    async fn state(&self, state: DeliveryState) -> Vec<Delivery> {
        let filter = DeliveryFilter {
            state: Some(state),
            ..DeliveryFilter::default()
        };
        let (letters, _) = self
            .events
            .deliveries(&filter, None, 200)
            .await
            .expect("listed");
        letters.into_iter().map(|letter| letter.delivery).collect()
    }
}

async fn until(what: &str, mut ask: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !ask().await {
        assert!(Instant::now() < end, "not within 30 s: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn loud(behaviour: &str, receiver: &Receiver, max_attempts: u32) -> Running {
    let url = receiver.url();
    let entry = format!(
        "[[plugin]]\nname = \"loud\"\ngrants.http = [\"{url}\"]\ngrants.http_private = true\n\
         config.behaviour = \"{behaviour}\"\nconfig.url = \"{url}\"\n"
    );
    Running::of(Place::with(&["loud.wasm"]).await, &entry, max_attempts).await
}

fn other(n: usize) -> Event {
    Event::Other {
        kind: format!("e.{n}"),
        json: "{}".into(),
    }
}

#[tokio::test]
async fn a_request_that_may_not_be_made_is_found_before_it_is_built_and_ends_by_name() {
    for (behaviour, said) in [
        ("headers", "26000 headers, and may have 100"),
        ("header-bytes", "bytes of headers"),
        ("url", "bytes of URL"),
        ("method", "bytes of method"),
        ("header-name", "header name"),
        ("header-value", "header value"),
        (
            "host",
            "sets the header \"Host\", which the gateway sets by itself",
        ),
        ("framing", "sets the header \"transfer-encoding\""),
        ("hop", "sets the header \"Connection\""),
        ("elsewhere", "https://elsewhere.example is not granted"),
    ] {
        let receiver = Receiver::that(Manner::After(Duration::from_millis(200))).await;
        let running = loud(behaviour, &receiver, 2).await;
        for n in 0..4 {
            running.tell(other(n)).await;
        }
        until("what is said rightly", async || receiver.taken().len() == 4).await;
        until("what is not is a dead letter", async || {
            running.state(DeliveryState::Dead).await.len() == 4
        })
        .await;
        for dead in running.state(DeliveryState::Dead).await {
            let reason = dead.reason.clone().unwrap_or_default();
            assert!(
                dead.target == "loud"
                    && dead.attempt == 2
                    && reason.contains(said)
                    && !reason.contains("panic"),
                "{behaviour}: {dead:?}"
            );
        }
        let calls = receiver.calls();
        let once: BTreeSet<_> = calls.iter().collect();
        assert!(
            calls.len() == 4 && once.len() == 4 && calls.iter().all(|call| call.starts_with("ok ")),
            "{behaviour}: {calls:?}"
        );
    }
}

#[tokio::test]
async fn a_notifier_that_traps_when_it_is_asked_who_is_told_is_asked_again() {
    let receiver = Receiver::that(Manner::Says(200)).await;
    let running = loud("deaf", &receiver, 9).await;
    running.tell(other(0)).await;
    until("the event", async || receiver.taken().len() == 1).await;
    until("both are noted", async || {
        running.state(DeliveryState::Delivered).await.len() == 2
    })
    .await;
    let delivered = running.state(DeliveryState::Delivered).await;
    let attempts: BTreeSet<(&str, u32)> = delivered
        .iter()
        .map(|row| (row.target.as_str(), row.attempt))
        .collect();
    // The delivery without a target stands for a failed question: the notifier was asked once when
    // the event happened and twice later.
    assert_eq!(attempts, BTreeSet::from([("", 3), ("ok", 1)]));
    assert!(running.state(DeliveryState::Dead).await.is_empty());
}

#[tokio::test]
async fn a_notifier_that_names_thousands_is_refused_by_name() {
    let receiver = Receiver::that(Manner::Says(200)).await;
    let running = loud("crowd", &receiver, 2).await;
    running.tell(other(0)).await;
    until("a dead letter", async || {
        running.state(DeliveryState::Dead).await.len() == 1
    })
    .await;
    let dead = running.state(DeliveryState::Dead).await.remove(0);
    assert!(
        dead.reason
            .as_deref()
            .is_some_and(|reason| reason.contains("it named 2000 targets, and may name 1000")),
        "{dead:?}"
    );
    assert!(receiver.calls().is_empty());
}

#[tokio::test]
async fn a_target_with_two_lines_is_none_and_reasons_are_short() {
    let receiver = Receiver::that(Manner::Says(200)).await;
    let running = loud("two-lines", &receiver, 1).await;
    running.tell(other(0)).await;
    until("it is a dead letter", async || {
        running.state(DeliveryState::Dead).await.len() == 1
    })
    .await;
    let dead = running.state(DeliveryState::Dead).await.remove(0);
    let reason = dead.reason.unwrap_or_default();
    assert!(
        dead.target.is_empty() && reason.contains("\"ok\\n2026") && reason.contains("not seen"),
        "{reason}"
    );

    let running = loud("verbose", &receiver, 1).await;
    running.tell(other(0)).await;
    until("it is given up", async || {
        running.state(DeliveryState::Dead).await.len() == 1
    })
    .await;
    let reason = running
        .state(DeliveryState::Dead)
        .await
        .remove(0)
        .reason
        .unwrap_or_default();
    assert!(
        reason.starts_with("no\\r\\n2026")
            && reason.len() <= 500
            && !reason.chars().any(char::is_control),
        "{reason}"
    );
}

/// A store whose first writes fail; the number counts down.
#[derive(Debug)]
struct FailingFirstWrites(Store, AtomicU32);

#[async_trait]
impl KvStore for FailingFirstWrites {
    async fn get(&self, space: &KvSpace, key: &str) -> Result<Option<(Vec<u8>, u64)>, KvError> {
        self.0.get(space, key).await
    }
    async fn set(
        &self,
        space: &KvSpace,
        key: &str,
        expected: Option<Option<u64>>,
        value: &[u8],
        ttl: Option<Duration>,
    ) -> Result<bool, KvError> {
        if self
            .1
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            })
            .is_ok()
        {
            return Err(KvError::Unavailable("the disk is full".into()));
        }
        self.0.set(space, key, expected, value, ttl).await
    }
    async fn delete(&self, space: &KvSpace, key: &str) -> Result<(), KvError> {
        self.0.delete(space, key).await
    }
    async fn list(
        &self,
        space: &KvSpace,
        prefix: &str,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, KvError> {
        self.0.list(space, prefix, cursor, limit).await
    }
}

#[tokio::test]
async fn an_opt_out_is_kept_though_it_could_not_be_written_at_first() {
    let mut place = Place::with(&["number_policy.wasm"]).await;
    place.store = Arc::new(FailingFirstWrites(
        Store::open(&place.dir.path().join("failing.db"))
            .await
            .expect("a store"),
        AtomicU32::new(2),
    ));
    let entry = "[[plugin]]\nname = \"number-policy\"\ngrants = { kv = \"1MiB\", kv_shared = true }\n\
                 config = { number_length = false, opt_out = { stop_words = [\"STOP\"] } }\n";
    let running = Running::of(place, entry, 9).await;
    assert!(matches!(
        running.host.validate(&subject("odd"), text("hello")).await,
        Decision::Allow(..)
    ));
    let chat = Address {
        chat: "15551234567@c.us".into(),
        pn: Some("15551234567@c.us".into()),
        lid: None,
    };
    let stop = InboundMessage {
        id: MessageId("3EB0".into()),
        sender: chat.clone(),
        chat,
        from_me: false,
        push_name: None,
        sent_at: Timestamp(1_700_000_000_000),
        content: Content::text("STOP"),
        reply_to: None,
    };
    running.tell(Event::MessageReceived(stop)).await;
    until("the opt-out", async || {
        matches!(
            running.host.validate(&subject("odd"), text("hello")).await,
            Decision::Reject(..)
        )
    })
    .await;
    assert_eq!(
        rejected(running.host.validate(&subject("odd"), text("hello")).await)
            .0
            .code,
        "opted_out"
    );
    until("it is noted", async || {
        running.state(DeliveryState::Delivered).await.len() == 1
    })
    .await;
    assert!(running.state(DeliveryState::Dead).await.is_empty());
}

#[tokio::test]
async fn headers_that_a_plugin_makes_for_itself_are_bounded_too() {
    let host = odd("fields", "").await;
    let (rejection, verdicts) = rejected(host.validate(&subject("odd"), text("hello")).await);
    // Beyond 64 KiB of headers, wasi:http ends the call.
    assert_eq!(
        (rejection.code.as_str(), verdicts[0].verdict),
        ("plugin_failed", "trapped"),
        "{verdicts:?}"
    );
    assert_serves_on(&host).await;
}

/// A store whose reads panic.
#[derive(Debug)]
struct Broken;

#[async_trait]
impl KvStore for Broken {
    async fn get(&self, _: &KvSpace, _: &str) -> Result<Option<(Vec<u8>, u64)>, KvError> {
        panic!("as the test wants")
    }
    async fn set(
        &self,
        _: &KvSpace,
        _: &str,
        _: Option<Option<u64>>,
        _: &[u8],
        _: Option<Duration>,
    ) -> Result<bool, KvError> {
        Ok(true)
    }
    async fn delete(&self, _: &KvSpace, _: &str) -> Result<(), KvError> {
        Ok(())
    }
    async fn list(
        &self,
        _: &KvSpace,
        _: &str,
        _: Option<&str>,
        _: u32,
    ) -> Result<Vec<String>, KvError> {
        Ok(vec![])
    }
}

#[tokio::test]
async fn a_panic_of_the_host_during_a_call_is_a_failure_of_that_call() {
    let mut place = Place::with(&["odd.wasm", "good.wasm"]).await;
    place.store = Arc::new(Broken);
    let host = place
        .load(&odd_and_good("kv", "grants.kv = \"1MiB\""))
        .await
        .expect("both load");
    for _ in 0..3 {
        let (rejection, verdicts) = rejected(host.validate(&subject("odd"), text("hello")).await);
        assert_eq!(
            (rejection.code.as_str(), verdicts[0].verdict),
            ("plugin_failed", "host")
        );
        let detail = verdicts[0]
            .detail
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        assert!(
            detail.contains("panicked") && !detail.contains("as the test wants"),
            "{detail}"
        );
    }
    assert_serves_on(&host).await;
}
