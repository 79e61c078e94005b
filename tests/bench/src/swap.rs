//! Plugins are exchanged again and again under load: a chain of two validators, which mark what
//! they let pass, is asked by eight callers, while both are replaced by another version with
//! another configuration. No call may fail, and no chain may mix two versions.

use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::{Value, json};
use wharf::{
    config::{self, Config},
    model::{Address, Content, OutboundMessage},
    plugins::{Decision, Pipeline, PluginHost, Subject},
    store::Store,
};

use crate::{median, round};

const CALLERS: usize = 8;
const NAMES: [&str; 2] = ["relay-a", "relay-b"];
/// Target: calls of plugins in a second. A chain is two calls.
const RATE: f64 = 2000.0;

/// What the callers saw.
#[derive(Debug, Default)]
struct Seen {
    chains: AtomicUsize,
    failed: AtomicUsize,
    mixed: AtomicUsize,
}

pub(crate) async fn run(seconds: u64) -> Result<Value> {
    let folder = tempfile::tempdir()?;
    let plugins = folder.path().join("plugins");
    fs::create_dir(&plugins)?;
    put_version(&plugins, 1)?;
    let mut config: Config = toml::from_str(&entries("0"))?;
    config.plugins.dir.clone_from(&plugins);
    let cache = wharf_e2e::project::target().join("bench-plugin-cache");
    let store = Arc::new(Store::open(&folder.path().join("wharf.db")).await?);
    let host = PluginHost::load(
        &config.plugins,
        &config.plugin,
        &cache,
        store,
        Arc::new(|_: &str| None),
    );
    let host = Arc::new(host.await?);
    // Both versions are compiled before the measurement.
    for version in [2, 1] {
        swap(&host, &plugins, version, "0").await?;
    }
    let (seen, done) = (Arc::<Seen>::default(), Arc::new(AtomicBool::new(false)));
    let began = Instant::now();
    let callers: Vec<_> = (0..CALLERS)
        .map(|_| {
            tokio::spawn(call(
                Arc::clone(&host),
                Arc::clone(&seen),
                Arc::clone(&done),
            ))
        })
        .collect();
    let mut took = Vec::new();
    let mut slowest: f64 = 0.0;
    while began.elapsed() < Duration::from_secs(seconds) {
        let number = took.len() + 1;
        let begun = Instant::now();
        swap(&host, &plugins, 1 + number % 2, &number.to_string()).await?;
        let millis = begun.elapsed().as_secs_f64() * 1000.0;
        slowest = slowest.max(millis);
        took.push(millis);
    }
    let elapsed = began.elapsed().as_secs_f64();
    done.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await?;
    }
    let count = |of: &AtomicUsize| of.load(Ordering::Relaxed);
    let (chains, failed, mixed) = (count(&seen.chains), count(&seen.failed), count(&seen.mixed));
    ensure!(chains > 0, "no chain was asked");
    #[expect(clippy::cast_precision_loss, reason = "far fewer calls")]
    let rate = (2 * chains) as f64 / elapsed;
    let swaps = took.len();
    println!(
        "{chains} chains of two in {elapsed:.1} s ({rate:.0} calls/s) beside {swaps} swaps of both plugins (median {:.1} ms, longest {slowest:.1} ms): {failed} failed, {mixed} mixed two versions",
        median(took.clone())
    );
    Ok(json!({
        "bench": "swap", "seconds": round(elapsed), "callsPerSecond": round(rate), "targetCallsPerSecond": RATE, "chains": chains,
        "swaps": swaps, "swapP50Ms": round(median(took)), "swapMaxMs": round(slowest), "failed": failed, "mixed": mixed,
        "met": failed == 0 && mixed == 0 && rate >= RATE,
    }))
}

/// The entries of the chain.
fn entries(mark: &str) -> String {
    NAMES
        .map(|name| {
            format!("[[plugin]]\nname = \"{name}\"\nmay_modify = true\nconfig.mark = \"{mark}\"\n")
        })
        .concat()
}

/// Puts this version of both components into the plugin folder, each as a whole.
fn put_version(folder: &Path, version: usize) -> Result<()> {
    for name in NAMES.map(|name| name.replace('-', "_")) {
        let from = wharf_e2e::house::guests().join(format!("{name}_{version}.wasm"));
        let part = folder.join(format!("{name}.part"));
        fs::copy(&from, &part).with_context(|| format!("cannot copy {}", from.display()))?;
        fs::rename(&part, folder.join(format!("{name}.wasm")))?;
    }
    Ok(())
}

/// Exchanges both plugins.
async fn swap(host: &PluginHost, folder: &Path, version: usize, mark: &str) -> Result<()> {
    put_version(folder, version)?;
    let read: Vec<config::Plugin> = toml::from_str::<Config>(&entries(mark))?.plugin;
    let results = host
        .reload_changed(move || Ok(read))
        .await
        .map_err(|error| anyhow!("{error}"))?;
    for result in &results {
        if let Err(error) = result {
            anyhow::bail!("a swap failed: {error}");
        }
    }
    ensure!(results.len() == 2, "{} plugins were swapped", results.len());
    Ok(())
}

/// Asks the chain until all is done.
async fn call(host: Arc<PluginHost>, seen: Arc<Seen>, done: Arc<AtomicBool>) {
    let Ok(session) = "bench".parse() else { return };
    let subject = Subject {
        session,
        id: "out_1".into(),
        attempt: 1,
    };
    while !done.load(Ordering::Relaxed) {
        match host.validate(&subject, message()).await {
            Decision::Allow(message, _) => match message.metadata.as_slice() {
                [(_, first), (_, second)] if first == second => {}
                [_, _] => {
                    seen.mixed.fetch_add(1, Ordering::Relaxed);
                }
                _ => {
                    seen.failed.fetch_add(1, Ordering::Relaxed);
                }
            },
            _ => {
                seen.failed.fetch_add(1, Ordering::Relaxed);
            }
        }
        seen.chains.fetch_add(1, Ordering::Relaxed);
    }
}

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
