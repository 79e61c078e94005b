//! Failing calls: their outcome, the effect of the operator's settings, and that the host continues
//! to serve.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tracing_subscriber::{Layer, layer::SubscriberExt};
use wharf::{
    model::Content,
    plugins::{Decision, Pipeline},
};

use crate::support::{allowed, assert_serves_on, odd, rejected, subject, text};

/// Checks that the message is refused when the guest `odd` misbehaves, that the verdict names the
/// failure, and that the guest `good` still works.
async fn assert_fails(behaviour: &str, settings: &str, kind: &str, words: &str) {
    let host = odd(behaviour, settings).await;
    let (rejection, verdicts) = rejected(host.validate(&subject("odd"), text("hello")).await);
    assert_eq!(
        (rejection.plugin.as_str(), rejection.code.as_str()),
        ("odd", "plugin_failed"),
        "{behaviour}: {verdicts:?}"
    );
    assert_eq!(
        verdicts.len(),
        1,
        "{behaviour}: nobody is asked after a refusal"
    );
    assert_eq!(verdicts[0].verdict, kind, "{behaviour}: {verdicts:?}");
    let detail = verdicts[0].detail.as_deref().unwrap_or_default();
    assert!(
        detail.contains(words),
        "{behaviour}: {words:?} is not in: {detail}"
    );
    assert_serves_on(&host).await;
}

#[tokio::test]
async fn an_endless_loop_ends_at_its_cpu_limit() {
    assert_fails("spin", "cpu = \"50ms\"", "over_cpu", "CPU").await;
}

#[tokio::test]
async fn an_endless_loop_ends_at_its_wall_time_when_that_comes_first() {
    assert_fails(
        "spin",
        "cpu = \"60s\"\ntimeout = \"100ms\"",
        "timed_out",
        "100",
    )
    .await;
}

#[tokio::test]
async fn a_memory_bomb_ends_at_its_limit() {
    assert_fails(
        "bomb",
        "cpu = \"10s\"\ntimeout = \"10s\"\nmemory = \"8MiB\"",
        "over_memory",
        "",
    )
    .await;
}

#[tokio::test]
async fn a_panic_ends_one_instance() {
    assert_fails("panic", "", "trapped", "").await;
}

#[tokio::test]
async fn an_endless_recursion_is_a_trap() {
    assert_fails("recurse", "cpu = \"10s\"\ntimeout = \"10s\"", "trapped", "").await;
}

#[tokio::test]
async fn a_guest_that_exits_takes_nobody_along() {
    assert_fails("exit", "", "trapped", "").await;
}

#[tokio::test]
async fn waiting_counts_as_wall_time_and_not_as_cpu_time() {
    assert_fails(
        "sleep",
        "cpu = \"10ms\"\ntimeout = \"150ms\"",
        "timed_out",
        "",
    )
    .await;
}

#[tokio::test]
async fn an_answer_of_any_size_does_not_reach_the_gateway() {
    let host = odd("huge", "memory = \"64MiB\"").await;
    let (rejection, verdicts) = rejected(host.validate(&subject("odd"), text("hello")).await);
    assert_eq!(rejection.code, "plugin_failed", "{verdicts:?}");
    assert!(rejection.reason.len() <= 1024);
    assert_serves_on(&host).await;
}

#[tokio::test]
async fn a_request_for_a_gigabyte_of_chance_is_refused() {
    assert_fails("much-random", "", "trapped", "").await;
}

#[tokio::test]
async fn an_error_of_the_plugin_itself_is_a_failure_with_its_words() {
    assert_fails("unavailable", "", "failed", "the oracle is out").await;
    assert_fails("invalid", "", "failed", "no sense in it").await;
}

#[tokio::test]
async fn only_a_granted_change_counts_and_never_one_of_the_recipient() {
    assert_fails("modify", "", "failed", "may_modify").await;
    assert_fails("recipient", "may_modify = true", "failed", "recipient").await;

    let host = odd("modify", "may_modify = true").await;
    // The guest `good` would refuse the original word; it sees the word as `odd` has changed it.
    let (message, verdicts) = allowed(host.validate(&subject("odd"), text("forbidden")).await);
    assert_eq!(message.content.body(), Some("FORBIDDEN"));
    assert_eq!(
        verdicts
            .iter()
            .map(|verdict| verdict.verdict)
            .collect::<Vec<_>>(),
        ["modify", "allow"]
    );
    assert!(matches!(message.content, Content::Text(_)));
}

#[tokio::test]
async fn a_failing_plugin_may_be_passed_over_by_the_operators_word() {
    let host = odd("panic", "on_error = \"allow\"").await;
    let (_, verdicts) = allowed(host.validate(&subject("odd"), text("hello")).await);
    assert_eq!(
        verdicts
            .iter()
            .map(|verdict| verdict.verdict)
            .collect::<Vec<_>>(),
        ["trapped", "allow"]
    );
}

#[tokio::test]
async fn a_monitored_plugin_is_asked_and_changes_nothing() {
    for (behaviour, verdict) in [
        ("modify", "would_modify"),
        ("long", "would_reject"),
        ("panic", "trapped"),
    ] {
        let host = odd(behaviour, "mode = \"monitor\"\nmay_modify = true").await;
        let (message, verdicts) = allowed(host.validate(&subject("odd"), text("hello")).await);
        assert_eq!(message, text("hello"), "{behaviour}");
        assert_eq!(
            verdicts
                .iter()
                .map(|verdict| verdict.verdict)
                .collect::<Vec<_>>(),
            [verdict, "allow"]
        );
        assert_eq!(
            verdicts
                .iter()
                .map(|verdict| verdict.monitored)
                .collect::<Vec<_>>(),
            [true, false],
            "{behaviour}"
        );
    }
}

#[tokio::test]
async fn a_monitored_refusal_is_told_once_with_its_code_and_reason() {
    let host = odd("long", "mode = \"monitor\"").await;
    let lines = Lines::default();
    let guard =
        tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone()));
    // A message is validated when it is accepted and again before it is sent.
    for _ in 0..2 {
        allowed(host.validate(&subject("odd"), text("hello")).await);
    }
    drop(guard);
    let log = lines.1.lock().expect("no panic").clone();
    let told: Vec<&String> = log
        .iter()
        .filter(|line| line.contains("monitor: would have been rejected"))
        .collect();
    assert!(
        told.len() == 1
            && told[0].contains("code=\"quiet_hours_\"")
            && told[0].contains("plugin=\"odd\"")
            && told[0].contains("reason=\"ä"),
        "{log:?}"
    );
}

#[tokio::test]
async fn codes_and_reasons_are_made_fit_for_an_api_answer() {
    let host = odd("long", "").await;
    let (rejection, verdicts) = rejected(host.validate(&subject("odd"), text("hello")).await);
    assert!(
        rejection.code.starts_with("quiet_hours"),
        "{}",
        rejection.code
    );
    assert!(rejection.reason.len() <= 1024 && rejection.reason.starts_with('ä'));
    assert_eq!(verdicts[0].component.len(), 64);
    assert!(verdicts[0].micros > 0);
}

#[tokio::test]
async fn what_a_guest_says_is_one_short_line_and_a_bad_code_is_still_a_refusal() {
    let host = odd("megabytes", "on_error = \"allow\"").await;
    let (rejection, verdicts) = rejected(host.validate(&subject("odd"), text("hello")).await);
    assert_eq!(rejection.code, "much_too_much");
    assert!(
        rejection.reason.len() <= 1024 && rejection.reason.ends_with('…'),
        "{}",
        rejection.reason.len()
    );
    assert!(
        !rejection
            .reason
            .chars()
            .any(|c| c.is_control() || c == '\u{202e}'),
        "{}",
        rejection.reason
    );
    assert_eq!(verdicts[0].reason.as_ref(), Some(&rejection.reason));

    // With `on_error = "allow"` a failure of the plugin would not refuse the message.
    let host = odd("long-code", "on_error = \"allow\"").await;
    let (rejection, _) = rejected(host.validate(&subject("odd"), text("hello")).await);
    assert_eq!(
        (rejection.code.as_str(), rejection.reason.as_str()),
        ("rejected", "a code that is too long")
    );

    let host = odd("long-error", "").await;
    let (_, verdicts) = rejected(host.validate(&subject("odd"), text("hello")).await);
    let detail = verdicts[0].detail.clone().expect("its words");
    assert!(
        verdicts[0].verdict == "failed" && detail.len() <= 1024 && !detail.contains('\n'),
        "{detail}"
    );
}

#[tokio::test]
async fn a_panic_is_told_by_its_place_and_its_words_only_where_the_operator_says_so() {
    for (settings, told) in [("", false), ("log_stderr = true", true)] {
        let host = odd("quote", settings).await;
        let lines = Lines::default();
        let guard =
            tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone()));
        let (_, verdicts) = rejected(host.validate(&subject("odd"), text("the-secret")).await);
        drop(guard);
        let detail = verdicts[0].detail.clone().expect("its words");
        assert!(
            detail.contains("odd.rs:") && !detail.contains("the-secret"),
            "{detail}"
        );
        let log = lines.1.lock().expect("no panic").join("\n");
        assert!(log.contains("odd.rs:") && log.contains("trapped"), "{log}");
        assert_eq!(log.contains("the-secret"), told, "{log}");
    }
}

#[tokio::test]
async fn standard_error_goes_to_the_log_where_the_operator_says_so() {
    for (settings, told) in [("", false), ("log_stderr = true", true)] {
        let host = odd("stderr", settings).await;
        let lines = Lines::default();
        let guard =
            tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone()));
        allowed(host.validate(&subject("odd"), text("hello")).await);
        drop(guard);
        let log = lines.1.lock().expect("no panic").join("\n");
        assert_eq!(log.contains("a note of mine\\r\\n2026"), told, "{log}");
    }
}

#[tokio::test]
async fn the_plugin_knows_what_the_call_is_about() {
    let host = odd("context", "timeout = \"1234ms\"").await;
    let (rejection, _) = rejected(host.validate(&subject("odd"), text("hello")).await);
    assert_eq!(rejection.reason, "odd out_1 1 1234");
}

#[tokio::test]
async fn a_log_flood_is_cut_and_what_was_dropped_is_counted_once() {
    for (behaviour, all, most) in [("flood", 10_000, 50), ("flood-large", 1_000, 16)] {
        let host = odd(behaviour, "cpu = \"10s\"\ntimeout = \"10s\"").await;
        let lines = Lines::default();
        let guard =
            tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone()));
        allowed(host.validate(&subject("odd"), text("hello")).await);
        drop(guard);
        let written = lines.0.load(Ordering::Relaxed) - 1;
        assert!(
            (1..=most).contains(&written),
            "{behaviour}: {written} lines"
        );
        let log = lines.1.lock().expect("no panic").clone();
        let told: Vec<&String> = log
            .iter()
            .filter(|line| line.contains("were dropped"))
            .collect();
        assert!(
            told.len() == 1 && told[0].contains(&format!("dropped={}", all - written)),
            "{behaviour}: {told:?}"
        );
        assert!(
            log.iter().map(String::len).sum::<usize>() < 24 << 10,
            "{behaviour}"
        );
        assert_serves_on(&host).await;
    }
}

#[tokio::test]
async fn a_guests_fields_are_fields_and_never_the_gateways() {
    let host = odd("forge", "").await;
    let lines = Lines::default();
    let guard =
        tracing::subscriber::set_default(tracing_subscriber::registry().with(lines.clone()));
    rejected(host.validate(&subject("odd"), text("hello")).await);
    drop(guard);
    let log = lines.1.lock().expect("no panic").clone();
    let line = log
        .iter()
        .find(|line| line.contains("a line of mine"))
        .expect("the line");
    assert!(
        line.contains("plugin=\"odd\"")
            && line.contains("session=\"odd\"")
            && line.contains("fields={\"level\":\"ERROR\","),
        "{line}"
    );
    assert!(
        !line.chars().any(|c| c.is_control() || c == '\u{202e}'),
        "{line}"
    );
}

#[tokio::test]
async fn a_talkative_guest_is_not_punished() {
    let host = odd("chatter", "cpu = \"10s\"\ntimeout = \"10s\"").await;
    allowed(host.validate(&subject("odd"), text("hello")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_calls_than_the_pool_has_room_for_wait_for_their_turn() {
    let host = Arc::new(odd("allow", "").await);
    let calls = (0..200).map(|_| {
        let host = Arc::clone(&host);
        tokio::spawn(async move { host.validate(&subject("odd"), text("hello")).await })
    });
    for call in calls.collect::<Vec<_>>() {
        assert!(matches!(call.await.expect("no panic"), Decision::Allow(..)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_neighbour_that_spins_costs_the_innocent_no_cpu_time() {
    let place = crate::support::Place::with(&["odd.wasm", "good.wasm"]).await;
    let spinner = "[[plugin]]\nname = \"odd\"\nsessions = [\"odd\"]\ncpu = \"400ms\"\ntimeout = \"20s\"\nconfig.behaviour = \"spin\"\n";
    let good = "[[plugin]]\nname = \"good\"\ncpu = \"30ms\"\ntimeout = \"20s\"\n";
    let host = Arc::new(
        place
            .load(&format!("{spinner}{good}"))
            .await
            .expect("both load"),
    );
    let spinners: Vec<_> = (0..6)
        .map(|_| {
            let host = Arc::clone(&host);
            tokio::spawn(async move { host.validate(&subject("odd"), text("hello")).await })
        })
        .collect();
    let began = Instant::now();
    let mut calls = 0;
    while calls < 20 || began.elapsed() < Duration::from_millis(300) {
        allowed(host.validate(&subject("fine"), text("hello")).await);
        calls += 1;
    }
    for spinner in spinners {
        let (_, verdicts) = rejected(spinner.await.expect("no panic"));
        assert_eq!(verdicts[0].verdict, "over_cpu");
    }
}

/// Counts log events at level info and above, and records their fields as text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines(
    pub(crate) Arc<AtomicUsize>,
    pub(crate) Arc<Mutex<Vec<String>>>,
);

impl<S: tracing::Subscriber> Layer<S> for Lines {
    fn on_event(
        &self,
        event: &tracing::Event<'_>,
        _context: tracing_subscriber::layer::Context<'_, S>,
    ) {
        struct Text(String);
        impl tracing::field::Visit for Text {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0 += &format!("{field}={value:?} ");
            }
        }
        if *event.metadata().level() <= tracing::Level::INFO {
            self.0.fetch_add(1, Ordering::Relaxed);
            let mut text = Text(String::new());
            event.record(&mut text);
            self.1.lock().expect("no panic").push(text.0);
        }
    }
}
