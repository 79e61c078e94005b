//! A plugin that behaves well, alone and beside plugins that are called as often as possible and use
//! everything that they may: processor time, memory, storage and their whole time limit.
//!
//! The plugin host is called directly: what the API and the database cost would hide the difference.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use tokio::{runtime::Handle, task::spawn_blocking};
use wharf::{
    config::Config,
    model::{Address, Content, OutboundMessage},
    plugins::{Decision, Pipeline, PluginHost, Subject},
    store::Store,
};
use wharf_e2e::house::guests;

use crate::round;

/// The hostile plugins: each loops, and one also fills its memory and its storage and waits.
const ENTRIES: &str = "
[[plugin]]
name = 'good'
sessions = ['good']
[[plugin]]
name = 'odd'
sessions = ['odd']
config.behaviour = 'spin'
[[plugin]]
name = 'hostile'
sessions = ['hostile']
config.attack = 'poll-busy'
[[plugin]]
name = 'greedy'
sessions = ['greedy']
grants.kv = '1MiB'
";
const HOSTILE: [&str; 3] = ["odd", "hostile", "greedy"];
/// The most that the well-behaved plugin's 99th percentile may grow by.
const TARGET: f64 = 2.0;
/// The pause between two calls of the plugin that is measured, as of a gateway with some traffic.
const PAUSE: Duration = Duration::from_millis(1);

fn message() -> OutboundMessage {
    let chat = "4915123456789@c.us".to_owned();
    OutboundMessage {
        to: Address {
            pn: Some(chat.clone()),
            chat,
            lid: None,
        },
        content: Content::text("hello"),
        reply_to: None,
        send_at: None,
        metadata: vec![],
    }
}

fn subject(session: &str) -> Result<Subject> {
    Ok(Subject {
        session: session.parse().ok().context("a client id")?,
        id: "out_1".into(),
        attempt: 1,
    })
}

/// The times of the calls of `good` for this long, in microseconds and in order of size. Each call is
/// given to the runtime from outside, as a connection gives it a request, so the time that it waits
/// for a thread counts.
fn measured(runtime: &Handle, host: &Arc<PluginHost>, time: Duration) -> Result<Vec<f64>> {
    let end = Instant::now() + time;
    let mut times = vec![];
    while Instant::now() < end {
        std::thread::sleep(PAUSE);
        let (host, subject) = (Arc::clone(host), subject("good")?);
        let (answer, answered) = mpsc::channel();
        let began = Instant::now();
        runtime.spawn(async move {
            // Fails only when nobody waits any more.
            let _ = answer.send(host.validate(&subject, message()).await);
        });
        let decision = answered.recv()?;
        times.push(began.elapsed().as_secs_f64() * 1e6);
        let Decision::Allow(_, verdicts) = decision else {
            bail!("the plugin that behaves well was not asked: {decision:?}");
        };
        if verdicts.iter().any(|verdict| verdict.verdict != "allow") {
            bail!("the plugin that behaves well failed: {verdicts:?}");
        }
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// A percentile of sorted times.
fn percentile(times: &[f64], percent: usize) -> f64 {
    let at = times.len().saturating_sub(1) * percent / 100;
    round(times.get(at).copied().unwrap_or(f64::NAN))
}

/// Measures `good` for `seconds` alone, and for `seconds` beside `callers` callers of each hostile
/// plugin.
pub(crate) async fn run(seconds: u64, callers: usize) -> Result<Value> {
    let dir = tempfile::tempdir()?;
    let mut config: Config = toml::from_str(ENTRIES)?;
    config.plugins.dir = guests();
    let host = PluginHost::load(
        &config.plugins,
        &config.plugin,
        &dir.path().join("cache"),
        Arc::new(Store::open(&dir.path().join("bench.db")).await?),
        Arc::new(|_: &str| None),
    )
    .await?;
    let (host, time) = (Arc::new(host), Duration::from_secs(seconds));
    let measure = {
        let host = Arc::clone(&host);
        move |time| {
            let (runtime, host) = (Handle::current(), Arc::clone(&host));
            spawn_blocking(move || measured(&runtime, &host, time))
        }
    };
    measure(Duration::from_millis(500)).await??;
    let quiet = measure(time).await??;
    let over = Arc::new(AtomicBool::new(false));
    let mut flood = vec![];
    for session in HOSTILE
        .into_iter()
        .flat_map(|session| vec![session; callers])
    {
        let (host, over, subject) = (Arc::clone(&host), Arc::clone(&over), subject(session)?);
        flood.push(tokio::spawn(async move {
            let mut calls = 0_u64;
            while !over.load(Ordering::Relaxed) {
                if let Decision::Allow(_, verdicts) = host.validate(&subject, message()).await {
                    bail!("a hostile call was allowed: {verdicts:?}");
                }
                calls += 1;
            }
            Ok(calls)
        }));
    }
    let beside = measure(time).await??;
    over.store(true, Ordering::Relaxed);
    let mut hostile = 0;
    for calls in flood {
        hostile += calls.await??;
    }
    let ratio = round(percentile(&beside, 99) / percentile(&quiet, 99));
    println!(
        "| a plugin that behaves well | calls | p50 | p99 |\n|---|---|---|---|\n| alone | {} | {} µs | {} µs |\n| beside {} callers of hostile plugins ({hostile} calls) | {} | {} µs | {} µs |\n\np99 × {ratio} (at most {TARGET})",
        quiet.len(),
        percentile(&quiet, 50),
        percentile(&quiet, 99),
        callers * HOSTILE.len(),
        beside.len(),
        percentile(&beside, 50),
        percentile(&beside, 99),
    );
    Ok(json!({
        "quiet": {"calls": quiet.len(), "p50_us": percentile(&quiet, 50), "p99_us": percentile(&quiet, 99)},
        "beside": {"calls": beside.len(), "p50_us": percentile(&beside, 50), "p99_us": percentile(&beside, 99), "hostile_calls": hostile},
        "ratio": ratio,
        "met": ratio <= TARGET,
    }))
}
