//! Hostile plugins: each is contained, its failure is named and counted, and a plugin that behaves
//! well beside it answers each call rightly meanwhile.
//!
//! All plugins of a test are in one gateway. The tests write `docs/plugins/hostile.md`, in which each
//! row says what was seen.

mod cached;
mod calls;
mod costly;
mod imports;
mod loading;
mod page;
mod requests;
mod wat;

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs,
    panic::AssertUnwindSafe,
    sync::{Arc, OnceLock},
    time::Duration,
};

use futures_util::{FutureExt, future::join_all};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use wharf::plugins::{Decision, Pipeline, PluginHost, Verdict};

use self::page::{Row, Section};
use crate::support::{Place, assert_serves_on, subject, text};

/// A hostile plugin, and what must be seen of it.
#[derive(Clone)]
pub(crate) struct Attack {
    /// The name of its entry and of the session that it serves.
    name: &'static str,
    does: String,
    stopped_by: &'static str,
    /// None for a plugin whose file is there already.
    component: Option<Vec<u8>>,
    /// More lines of its entry.
    settings: String,
    must: Must,
}

/// What must be seen of an attack.
#[derive(Debug, Clone, Copy)]
enum Must {
    /// It is not loaded, for a reason with these words.
    BeRefused(&'static str),
    /// The call fails like this, and the detail has these words.
    Fail(&'static str, &'static str),
    /// The call rejects the message with this code and a reason with these words.
    Reject(&'static str, &'static str),
    /// The call allows the message.
    Allow,
}

impl Attack {
    fn of_bytes(
        name: &'static str,
        does: impl Into<String>,
        stopped_by: &'static str,
        component: Vec<u8>,
    ) -> Self {
        Self {
            component: Some(component),
            ..Self::of_file(name, does, stopped_by)
        }
    }

    fn of_file(name: &'static str, does: impl Into<String>, stopped_by: &'static str) -> Self {
        Self {
            name,
            does: does.into(),
            stopped_by,
            component: None,
            settings: String::new(),
            must: Must::Allow,
        }
    }

    fn new(
        name: &'static str,
        does: impl Into<String>,
        stopped_by: &'static str,
        parts: &wat::Parts,
    ) -> Self {
        Self::of_bytes(name, does, stopped_by, wat::component(name, parts))
    }

    fn with(mut self, line: &str) -> Self {
        let _ = writeln!(self.settings, "{line}");
        self
    }

    fn with_time(self, time: &str) -> Self {
        self.with(&format!("timeout = \"{time}\""))
    }

    fn refused(self, words: &'static str) -> Self {
        let must = Must::BeRefused(words);
        Self { must, ..self }
    }

    fn fails(self, kind: &'static str, words: &'static str) -> Self {
        let must = Must::Fail(kind, words);
        Self { must, ..self }
    }

    fn rejects(self, code: &'static str, words: &'static str) -> Self {
        let must = Must::Reject(code, words);
        Self { must, ..self }
    }

    fn allowed(self) -> Self {
        let must = Must::Allow;
        Self { must, ..self }
    }

    /// Its entry. What it does not set is set so that only the limit under test can end a call.
    fn entry(&self) -> String {
        let Self { name, settings, .. } = self;
        let mut entry =
            format!("[[plugin]]\nname = \"{name}\"\nrequired = false\nsessions = [\"{name}\"]\n");
        for (key, value) in [("cpu", "5s"), ("timeout", "30s")] {
            if !settings.contains(&format!("{key} = ")) {
                let _ = writeln!(entry, "{key} = \"{value}\"");
            }
        }
        entry + settings
    }

    fn row(&self, seen: &str) -> Row {
        Row {
            does: self.does.clone(),
            stopped_by: self.stopped_by.to_owned(),
            seen: seen.to_owned(),
        }
    }
}

/// The metrics of all plugins of this process.
fn metrics() -> String {
    static METRICS: OnceLock<PrometheusHandle> = OnceLock::new();
    METRICS
        .get_or_init(|| {
            let recorder = PrometheusBuilder::new().build_recorder();
            let handle = recorder.handle();
            metrics::set_global_recorder(recorder).expect("the only recorder of this process");
            handle
        })
        .render()
}

/// A gateway with these plugins and `good`, which serves every session.
async fn host(place: &Place, attacks: &[Attack]) -> PluginHost {
    metrics();
    for attack in attacks {
        if let Some(component) = &attack.component {
            fs::write(
                place.plugins().join(format!("{}.wasm", attack.name)),
                component,
            )
            .expect("a file");
        }
    }
    let entries: String = attacks.iter().map(Attack::entry).collect();
    place
        .load(&format!(
            "{entries}[[plugin]]\nname = \"good\"\ntimeout = \"60s\"\n"
        ))
        .await
        .expect("`good` loads")
}

/// What the operator sees of a plugin that was not loaded.
fn refusal(host: &PluginHost, attack: &Attack, words: &str) -> String {
    let reports = host.reports();
    let report = reports
        .iter()
        .find(|report| report.name == attack.name)
        .expect("a report");
    let state = report.state.to_string();
    let name = attack.name;
    assert!(state.starts_with("failed: "), "{name}: {state}");
    assert!(
        state.contains(words),
        "{name}: {words:?} is not in: {state}"
    );
    assert!(
        state.len() < 4200 && !state.chars().any(char::is_control),
        "{name}: {} bytes",
        state.len()
    );
    format!("not loaded: {}", &state["failed: ".len()..])
}

/// What the caller and the operator see of a call.
fn seen(attack: &Attack, decision: Decision) -> String {
    let Attack { name, must, .. } = attack;
    let of_it = |verdicts: Vec<Verdict>| {
        let verdict = verdicts.into_iter().find(|verdict| verdict.plugin == *name);
        verdict.unwrap_or_else(|| panic!("{name} was not asked"))
    };
    let rejected = matches!(decision, Decision::Reject(..));
    let verdict = match decision {
        Decision::Allow(_, verdicts) | Decision::Reject(_, verdicts) => of_it(verdicts),
        Decision::Busy(busy, _) => panic!("{name}: {busy}"),
    };
    let detail = verdict.detail.as_deref().unwrap_or_default();
    let reason = verdict.reason.as_deref().unwrap_or_default();
    match *must {
        Must::Fail(kind, words) => {
            assert_eq!(verdict.verdict, kind, "{name}: {detail} {reason}");
            assert!(
                detail.contains(words),
                "{name}: {words:?} is not in: {detail}"
            );
            assert!(rejected, "{name}: `on_error` refuses");
            format!("`{kind}`: {detail}")
        }
        Must::Reject(code, words) => {
            assert_eq!(
                (verdict.verdict, detail),
                ("reject", code),
                "{name}: {reason}"
            );
            assert!(
                reason.contains(words),
                "{name}: {words:?} is not in: {reason}"
            );
            assert!(reason.len() <= 1024 && detail.len() <= 64, "{name}");
            if code == "seen" {
                reason.to_owned()
            } else {
                format!("rejected with the code `{code}`")
            }
        }
        Must::Allow => {
            assert_eq!(verdict.verdict, "allow", "{name}: {detail} {reason}");
            "the call ends as usual".into()
        }
        Must::BeRefused(_) => panic!("{name} was loaded"),
    }
}

/// Loads all of them beside `good` and calls each that is loaded, all at the same time.
async fn run(section: Section, place: &Place, attacks: Vec<Attack>) {
    let host = Arc::new(host(place, &attacks).await);
    let calls: Vec<_> = attacks
        .into_iter()
        .map(|attack| {
            let host = Arc::clone(&host);
            tokio::spawn(async move {
                if let Must::BeRefused(words) = attack.must {
                    let seen = refusal(&host, &attack, words);
                    return (attack.row(&seen), None);
                }
                let decision = host.validate(&subject(attack.name), text("hello")).await;
                let outcome = match attack.must {
                    Must::Fail(kind, _) => kind,
                    _ => "ok",
                };
                (
                    attack.row(&seen(&attack, decision)),
                    Some((attack.name, outcome)),
                )
            })
        })
        .collect();
    // The plugin that behaves well answers as often as there is an attack, and until all are over.
    let mut answered = 0;
    while answered < calls.len() || !calls.iter().all(tokio::task::JoinHandle::is_finished) {
        assert_serves_on(&host).await;
        answered += 1;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let (mut rows, mut failed) = (vec![], 0);
    for call in calls {
        let Ok((row, counted)) = call.await else {
            failed += 1;
            continue;
        };
        if let Some((name, outcome)) = counted {
            assert_eq!(times(name, outcome), 1, "{name} {outcome} is not counted");
        }
        rows.push(row);
    }
    assert_eq!(failed, 0, "attacks were not contained; see above");
    page::check(section, rows);
}

/// How often `validate` of a plugin had this outcome, as the metrics say.
fn times(plugin: &str, outcome: &str) -> usize {
    let line = format!(
        "wharf_plugin_calls_total{{plugin=\"{plugin}\",function=\"validate\",outcome=\"{outcome}\"}} "
    );
    let metrics = metrics();
    let count = metrics.lines().find_map(|found| found.strip_prefix(&line));
    count.map_or(0, |count| count.parse().expect("a count"))
}

/// How many gateways work at the same time.
const AT_ONCE: usize = 4;

/// Makes each attack with the same guest, in a gateway of its own beside `good`.
async fn run_apart(section: Section, guest: &'static str, attacks: Vec<Attack>) {
    let file = format!("{guest}.wasm");
    let mut wanted = BTreeMap::<&str, usize>::new();
    for attack in &attacks {
        let outcome = match attack.must {
            Must::Fail(kind, _) => kind,
            _ => "ok",
        };
        *wanted.entry(outcome).or_default() += 1;
    }
    let (mut rows, mut failed) = (vec![], 0);
    for some in attacks.chunks(AT_ONCE) {
        let calls = some.iter().map(|attack| {
            let made = async {
                let place = Place::with(&[&file, "good.wasm"]).await;
                let host = host(&place, std::slice::from_ref(attack)).await;
                let subject = subject(attack.name);
                let (decision, ()) = tokio::join!(
                    host.validate(&subject, text("hello")),
                    assert_serves_on(&host)
                );
                assert_serves_on(&host).await;
                attack.row(&seen(attack, decision))
            };
            // All that fail are named.
            AssertUnwindSafe(made).catch_unwind()
        });
        for row in join_all(calls).await {
            match row {
                Ok(row) => rows.push(row),
                Err(_) => failed += 1,
            }
        }
    }
    assert_eq!(failed, 0, "attacks were not contained; see above");
    for (outcome, wanted) in wanted {
        // Other tests of this process may use the same guest.
        assert!(times(guest, outcome) >= wanted, "{outcome} of {guest}");
    }
    page::check(section, rows);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plugins_that_misbehave_in_a_call_are_contained() {
    let place = Place::with(&["good.wasm"]).await;
    run(Section::Calls, &place, calls::all()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn components_that_are_forged_or_too_costly_are_refused() {
    let place = Place::with(&["good.wasm"]).await;
    run(Section::Loading, &place, loading::all()).await;
}

#[tokio::test]
async fn what_is_just_small_enough_is_compiled() {
    let place = Place::with(&["good.wasm"]).await;
    let attack = costly::small_enough();
    let host = host(&place, std::slice::from_ref(&attack)).await;
    let decision = host.validate(&subject(attack.name), text("hello")).await;
    seen(&attack, decision);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plugins_that_compute_leave_a_thread_to_everything_else() {
    let place = Place::with(&["odd.wasm", "good.wasm"]).await;
    let spinner = "[[plugin]]\nname = \"odd\"\nsessions = [\"odd\"]\ncpu = \"200ms\"\ntimeout = \"60s\"\nconfig.behaviour = \"spin\"\n";
    let good = "[[plugin]]\nname = \"good\"\ntimeout = \"60s\"\n";
    let host = Arc::new(
        place
            .load(&format!("{spinner}{good}"))
            .await
            .expect("both load"),
    );
    // From its first call on, the plugin is known to need much.
    host.validate(&subject("odd"), text("hello")).await;
    let spinners: Vec<_> = (0..12)
        .map(|_| {
            let host = Arc::clone(&host);
            tokio::spawn(async move { host.validate(&subject("odd"), text("hello")).await })
        })
        .collect();
    // If all threads computed, timers and connections would be looked at after dozens of ticks, and
    // there would be a handful of rounds until the last of these calls is over.
    let mut rounds = 0;
    while !spinners.iter().all(tokio::task::JoinHandle::is_finished) {
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(matches!(
            host.validate(&subject("fine"), text("hello")).await,
            Decision::Allow(..)
        ));
        rounds += 1;
    }
    assert!(rounds >= 50, "{rounds} rounds");
}
