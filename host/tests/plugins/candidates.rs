//! A candidate is asked beside its plugin: it sees what the plugin saw, changes nothing, and only
//! its answers that differ are told.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use wharf::{
    config::{self, Config},
    plugins::{
        CandidateCounts, CandidateStatus, Decision, Difference, FailureKind, Pipeline, PluginHost,
    },
};

use crate::support::{Place, allowed, rejected, subject, text};

/// How long a test waits for what must come.
const LONG: Duration = Duration::from_secs(120);

fn entries(text: &str) -> Vec<config::Plugin> {
    let config: Config = toml::from_str(text).expect("a config");
    config.plugin
}

/// The guest `odd` with a candidate that behaves otherwise.
fn odd(behaviour: &str, candidate: &str, settings: &str) -> String {
    format!(
        "[[plugin]]\nname = \"odd\"\n{settings}\nconfig.behaviour = \"{behaviour}\"\n\
         candidate = {{ config = {{ behaviour = \"{candidate}\" }} }}\n"
    )
}

fn status(host: &PluginHost) -> CandidateStatus {
    let plugin = host.statuses().swap_remove(0);
    plugin.candidate.expect("a candidate")
}

fn counts(host: &PluginHost) -> CandidateCounts {
    status(host).outcome.expect("loaded")
}

/// Same, differing, failed, network, skipped.
fn numbers(counts: &CandidateCounts) -> [u64; 5] {
    [
        counts.same,
        counts.differing,
        counts.failed,
        counts.network,
        counts.skipped,
    ]
}

/// Waits until so many calls were compared.
async fn compared(host: &PluginHost, wanted: [u64; 5]) -> CandidateCounts {
    let wait = async {
        loop {
            let now = counts(host);
            if numbers(&now) == wanted {
                return now;
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    let now = timeout(LONG, wait).await;
    now.unwrap_or_else(|_| panic!("{:?} instead of {wanted:?}", counts(host)))
}

/// Asks the candidates until the host is gone, and passes on what differs.
fn ask_candidates(host: &PluginHost) -> tokio::sync::mpsc::UnboundedReceiver<Difference> {
    let mut candidates = host.candidates().expect("the first caller");
    let (tell, told) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Some(difference) = candidates.next().await {
            // The test has seen enough.
            let _ = tell.send(difference);
        }
    });
    told
}

async fn reload(host: &PluginHost, entry: String) {
    host.reload("odd", move || Ok(entries(&entry)))
        .await
        .expect("reloaded");
}

#[tokio::test]
async fn a_candidate_sees_what_the_plugin_saw_and_its_writes_go_nowhere() {
    let place = Place::with(&["odd.wasm"]).await;
    let kv = "grants = { kv = \"1KiB\" }";
    let host = place.load(&odd("count", "count", kv)).await.expect("loads");
    let mut told = ask_candidates(&host);
    let mut answers = Vec::new();
    for _ in 0..3 {
        let (rejection, _) = rejected(host.validate(&subject("any"), text("hello")).await);
        answers.push(rejection.reason.to_string());
    }
    // Each answer is another one, and the candidate has given it after the plugin's write.
    answers.dedup();
    assert_eq!(answers.len(), 3, "{answers:?}");
    let before = compared(&host, [3, 0, 0, 0, 0]).await;

    // Nothing has changed, so the counts go on.
    reload(&host, odd("count", "count", kv)).await;
    assert_eq!(counts(&host).since, before.since);
    assert_eq!(numbers(&counts(&host)), [3, 0, 0, 0, 0]);

    reload(&host, odd("count", "allow", kv)).await;
    let (_, verdicts) = rejected(host.validate(&subject("any"), text("hello")).await);
    let now = compared(&host, [0, 1, 0, 0, 0]).await;
    let found = told.recv().await.expect("told");
    assert_eq!(
        (found.plugin.as_str(), found.message.as_str()),
        ("odd", "out_1")
    );
    assert_eq!(found.facts.differs, ["verdict"]);
    let (plugin, candidate) = (&found.facts.plugin, &found.facts.candidate);
    assert_eq!(
        (plugin.verdict.as_str(), plugin.code.as_deref()),
        ("reject", Some("count"))
    );
    assert_eq!(
        (candidate.verdict.as_str(), candidate.code.as_deref()),
        ("allow", None)
    );
    assert_eq!(plugin.component, verdicts[0].component);
    assert_eq!(candidate.config, now.config);
    assert_ne!(candidate.config, plugin.config);
    let words = found.details.expect("details").plugin.explanation;
    assert_eq!(words.as_deref(), verdicts[0].reason.as_deref());
}

#[tokio::test]
async fn a_candidate_that_fails_is_quarantined_alone() {
    let place = Place::with(&["odd.wasm"]).await;
    let rule = "quarantine = { failures = 2, within = \"1h\", pause = \"1h\" }";
    let host = place
        .load(&odd("allow", "panic", rule))
        .await
        .expect("loads");
    let mut told = ask_candidates(&host);
    let mut news = host.quarantines().expect("the first caller");
    for _ in 0..4 {
        allowed(host.validate(&subject("any"), text("hello")).await);
    }
    let now = compared(&host, [0, 0, 2, 0, 2]).await;
    assert!(now.quarantined_until.is_some());
    let found = told.recv().await.expect("told");
    assert_eq!(found.facts.candidate.verdict, "trapped");
    let quarantined = news.recv().await.expect("told");
    assert_eq!(
        (quarantined.plugin.as_str(), quarantined.kind),
        ("odd@candidate", FailureKind::Trapped)
    );
    assert_eq!(host.statuses()[0].quarantined_until, None);

    // A reload ends it, and whoever waits for the end hears of that.
    let over = host.quarantine_over(&quarantined);
    let reloaded = reload(&host, odd("allow", "allow", rule));
    timeout(LONG, async { tokio::join!(over, reloaded) })
        .await
        .expect("it is over");
    assert_eq!(counts(&host).quarantined_until, None);
}

#[tokio::test]
async fn calls_that_find_the_queue_full_are_left_out_and_counted() {
    let place = Place::with(&["odd.wasm"]).await;
    // Nobody asks the candidate, as if one of its calls never ended.
    let host = place.load(&odd("allow", "sleep", "")).await.expect("loads");
    for _ in 0..70 {
        allowed(host.validate(&subject("any"), text("hello")).await);
    }
    assert_eq!(numbers(&counts(&host)), [0, 0, 0, 0, 6]);
}

#[tokio::test]
async fn a_candidate_that_cannot_be_used_stops_nothing_and_says_why() {
    let place = Place::with(&["odd.wasm", "good.wasm"]).await;
    let entry = |file: &str| {
        format!(
            "[[plugin]]\nname = \"odd\"\nconfig.behaviour = \"allow\"\ncandidate = {{ file = \"{file}\" }}\n"
        )
    };
    let host = place
        .load(&entry("next.wasm"))
        .await
        .expect("the plugin loads");
    let why = status(&host).outcome.expect_err("no such file");
    assert!(why.contains("next.wasm"), "{why}");
    let report = host.reports().swap_remove(0);
    assert!(
        report
            .candidate
            .is_some_and(|line| line.starts_with("failed: "))
    );
    allowed(host.validate(&subject("any"), text("hello")).await);

    let reload = async |file: &str| {
        let entry = entry(file);
        let done = host.reload_changed(move || Ok(entries(&entry))).await;
        done.expect("read").len()
    };
    assert_eq!(reload("next.wasm").await, 0, "nothing has changed");
    std::fs::copy(
        place.plugins().join("good.wasm"),
        place.plugins().join("next.wasm"),
    )
    .expect("copied");
    assert_eq!(
        reload("next.wasm").await,
        1,
        "the candidate's file is there"
    );
    let why = status(&host).outcome.expect_err("another plugin");
    assert!(why.contains("it calls itself \"good\""), "{why}");
    std::fs::copy(
        place.plugins().join("odd.wasm"),
        place.plugins().join("next.wasm"),
    )
    .expect("copied");
    assert_eq!(reload("next.wasm").await, 1);
    assert_eq!(numbers(&counts(&host)), [0; 5]);
    let without = "[[plugin]]\nname = \"odd\"\nconfig.behaviour = \"allow\"\n";
    host.reload("odd", move || Ok(entries(without)))
        .await
        .expect("reloaded");
    assert_eq!(host.statuses()[0].candidate, None);
}

#[tokio::test]
async fn a_candidate_makes_no_requests_and_its_answer_does_not_count_then() {
    let place = Place::with(&["reach.wasm"]).await;
    let web = crate::web::Web::start().await;
    let origin = web.origin();
    let entry = format!(
        "[[plugin]]\nname = \"reach\"\ntimeout = \"5s\"\ncpu = \"1s\"\n\
         grants = {{ http = [\"{origin}\"], http_private = true }}\n\
         config = {{ what = \"http\", url = \"{origin}/ok\" }}\n\
         candidate = {{ config = {{ what = \"http\", url = \"{origin}/missing\" }} }}\n"
    );
    let host = place.load(&entry).await.expect("loads");
    let _told = ask_candidates(&host);
    let decision = host.validate(&subject("any"), text("hello")).await;
    assert!(matches!(decision, Decision::Reject(..)), "{decision:?}");
    compared(&host, [0, 0, 0, 1, 0]).await;
    assert_eq!(web.asked(), 1, "the plugin's own request");
}
