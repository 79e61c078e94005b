//! The plugins that are measured, each in a plugin host of its own, as a gateway has it.

use std::{path::Path, sync::Arc};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;
use wharf::{
    config::Config,
    model::{Address, Content, OutboundMessage},
    plugins::{Decision, Instruments, Pipeline, PluginHost, Subject},
    store::Store,
};

use super::{RUST, TEXT, WORDS};
use crate::median;

/// A plugin host with one plugin.
pub(super) struct Host {
    pub(super) name: &'static str,
    host: PluginHost,
    /// A second one, whose calls are observed, which costs a little.
    observed: PluginHost,
    instruments: Arc<Instruments>,
    _folder: TempDir,
}

/// The rows, the names of the plugins, and the folders of their components.
fn plugins() -> [(&'static str, &'static str, std::path::PathBuf); 3] {
    let polyglot = wharf_e2e::project::target().join("polyglot");
    [
        (RUST, "hook-rule", wharf_e2e::house::guests()),
        ("plugin in JavaScript", "in-javascript", polyglot.clone()),
        ("plugin in Python", "in-python", polyglot),
    ]
}

/// The hosts of all plugins that are built. A language whose tools could not be had has none.
pub(super) async fn hosts() -> Result<Vec<Host>> {
    let mut hosts = Vec::new();
    for (name, plugin, dir) in plugins() {
        let file = dir.join(format!("{}.wasm", plugin.replace('-', "_")));
        if name != RUST && !file.is_file() {
            println!(
                "not measured: {name}, because {} is missing",
                file.display()
            );
            continue;
        }
        let folder = tempfile::tempdir()?;
        let load = async |database: &str| load(plugin, &dir, &folder.path().join(database)).await;
        let observed = load("observed.db").await?;
        hosts.push(Host {
            name,
            host: load("plain.db").await?,
            instruments: observed.observe(),
            observed,
            _folder: folder,
        });
    }
    Ok(hosts)
}

async fn load(plugin: &str, dir: &Path, database: &Path) -> Result<PluginHost> {
    let entry = format!("[[plugin]]\nname = \"{plugin}\"\nconfig = {{ words = {WORDS:?} }}\n");
    let mut config: Config = toml::from_str(&entry)?;
    config.plugins.dir = dir.to_owned();
    let cache = wharf_e2e::project::target().join("bench-plugin-cache");
    let store = Arc::new(Store::open(database).await?);
    let host = PluginHost::load(
        &config.plugins,
        &config.plugin,
        &cache,
        store,
        Arc::new(|_: &str| None),
    );
    host.await
        .with_context(|| format!("{plugin} is not loaded"))
}

fn message() -> OutboundMessage {
    let chat = "4915123456789@c.us".to_owned();
    OutboundMessage {
        to: Address {
            pn: Some(chat.clone()),
            chat,
            lid: None,
        },
        content: Content::text(TEXT),
        reply_to: None,
        send_at: None,
        metadata: vec![],
    }
}

async fn validate(host: &PluginHost) -> Result<()> {
    let subject = Subject {
        session: "bench".parse().context("a client id")?,
        id: "out_1".into(),
        attempt: 1,
    };
    match host.validate(&subject, message()).await {
        Decision::Allow(_, verdicts) if verdicts.iter().all(|made| made.verdict == "allow") => {
            Ok(())
        }
        other => anyhow::bail!("the message is not allowed: {other:?}"),
    }
}

impl Host {
    /// A full call.
    pub(super) async fn validate(&self) -> Result<()> {
        validate(&self.host).await
    }

    /// The most memory of an instance, in bytes.
    pub(super) async fn memory(&self) -> Result<u64> {
        validate(&self.observed).await?;
        let reports = self.instruments.take();
        let most = reports.iter().map(|report| report.memory).max();
        most.context("no call was observed")
    }

    /// The median times of making an instance and of the whole call, in microseconds.
    pub(super) async fn parts(&self, calls: usize) -> Result<(f64, f64)> {
        for _ in 0..calls {
            validate(&self.observed).await?;
        }
        let reports = self.instruments.take();
        ensure!(!reports.is_empty(), "no call was observed");
        let micros = |of: fn(&wharf::plugins::CallReport) -> std::time::Duration| {
            median(
                reports
                    .iter()
                    .map(|report| of(report).as_secs_f64() * 1e6)
                    .collect(),
            )
        };
        Ok((
            micros(|report| report.instantiation),
            micros(|report| report.wall),
        ))
    }
}
