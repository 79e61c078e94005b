//! What the bundled plugins cost at the start of a gateway, once their compiled code is in the
//! cache: the whole, and the parts of each plugin, which the host logs at the level `debug`.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tracing::{
    Subscriber,
    field::{Field, Visit},
    span,
};
use wharf::{config::Config, plugins::PluginHost, store::Store};

use crate::{median, round};

/// Target: milliseconds of the start with three plugins.
const TARGET: f64 = 20.0;
/// The fields of the line about a loaded plugin, in the order of the work.
const PARTS: [&str; 7] = [
    "read",
    "digest",
    "compile",
    "link",
    "describe",
    "schema",
    "configure",
];
const ENTRIES: &str = r#"
[[plugin]]
name = "number-policy"
grants = { kv = "1MiB" }

[[plugin]]
name = "templates"
[plugin.config.templates.greeting.bodies]
en = "Hello {{ name }}"
[plugin.config.templates.greeting.variables]
name = { kind = "text" }

[[plugin]]
name = "webhook"
grants = { http = ["http://127.0.0.1:9"], http_private = true }
[[plugin.config.targets]]
name = "receiver"
url = "http://127.0.0.1:9/hook"
events = ["message.*"]
"#;

/// Microseconds by plugin and part.
type Parts = BTreeMap<(String, &'static str), Vec<f64>>;

/// Collects the parts from the lines about loaded plugins.
#[derive(Debug, Clone, Default)]
struct Lines(Arc<Mutex<Parts>>);

impl Subscriber for Lines {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "wharf::plugins::laps"
    }
    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }
    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
    fn enter(&self, _: &span::Id) {}
    fn exit(&self, _: &span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        #[derive(Default)]
        struct Found(String, Vec<(&'static str, f64)>);
        impl Visit for Found {
            fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
            fn record_str(&mut self, field: &Field, value: &str) {
                if field.name() == "plugin" {
                    value.clone_into(&mut self.0);
                }
            }
            #[expect(clippy::cast_precision_loss, reason = "microseconds of a start")]
            fn record_u64(&mut self, field: &Field, value: u64) {
                self.1.push((field.name(), value as f64));
            }
        }
        let mut found = Found::default();
        event.record(&mut found);
        let mut parts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (part, micros) in found.1 {
            parts
                .entry((found.0.clone(), part))
                .or_default()
                .push(micros);
        }
    }
}

pub(crate) async fn run(rounds: usize) -> Result<Value> {
    let lines = Lines::default();
    tracing::subscriber::set_global_default(lines.clone())?;
    let folder = tempfile::tempdir()?;
    let store = Arc::new(Store::open(&folder.path().join("wharf.db")).await?);
    let mut config: Config = toml::from_str(ENTRIES)?;
    config.plugins.dir = wharf_e2e::house::plugins();
    let cache = wharf_e2e::project::target().join("bench-plugin-cache");
    let mut whole = Vec::new();
    // The first start compiles, and the second fills the kernel's cache of files.
    for turn in 0..rounds + 2 {
        if turn == 2 {
            lines
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clear();
        }
        let began = Instant::now();
        let host = PluginHost::load(
            &config.plugins,
            &config.plugin,
            &cache,
            Arc::clone(&store) as _,
            Arc::new(|_: &str| None),
        );
        let host = host.await?;
        if turn >= 2 {
            whole.push(began.elapsed().as_secs_f64() * 1000.0);
        }
        ensure!(host.reports().len() >= 3, "three plugins are loaded");
    }
    let parts = lines.0.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(report(&parts, &whole))
}

fn report(parts: &Parts, whole: &[f64]) -> Value {
    print!("\n{:<16}", "ms, medians");
    PARTS.iter().for_each(|part| print!("{part:>11}"));
    println!("{:>11}", "together");
    let mut figures = Vec::new();
    for plugin in ["number-policy", "templates", "webhook"] {
        print!("{plugin:<16}");
        let mut together = 0.0;
        for part in PARTS {
            let micros = parts.get(&(plugin.to_owned(), part)).cloned();
            let millis = median(micros.unwrap_or_default()) / 1000.0;
            together += millis;
            print!("{millis:>11.3}");
            figures.push(json!({"plugin": plugin, "part": part, "ms": millis}));
        }
        println!("{together:>11.3}");
    }
    let p50 = median(whole.to_vec());
    println!(
        "\nthe plugin host with three plugins is ready within {p50:.2} ms, median of {} starts with a warm cache (target {TARGET})",
        whole.len()
    );
    json!({"bench": "plugin-start", "starts": whole.len(), "wholeMs": round(p50), "parts": figures, "target": TARGET, "met": p50 <= TARGET})
}
