//! All plugins of this gateway, in the operator's order.

use std::{
    collections::BTreeMap,
    fmt, fs,
    path::Path,
    sync::{Arc, PoisonError, RwLock},
};

use serde::Serialize;
use tracing::warn;

use super::{
    guest::Plugin,
    load::{Described, LoadError, Loader, Secrets},
    ports::KvStore,
    said::{MAX_NAME, Said},
    told::Told,
};
use crate::{config, model::ClientId};

/// Bytes of the reason for which a plugin could not be loaded: everything that is wrong with a configuration is in it.
const MAX_REASON: usize = 4096;

/// What became of one plugin at the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginReport {
    /// As in `gateway.toml`, or of the file when nobody enabled it.
    pub name: String,
    /// The plugin's own.
    pub version: String,
    /// The plugin's own words.
    pub description: String,
    /// The file.
    pub file: String,
    /// SHA-256 of the component, hex.
    pub component: Option<String>,
    /// What it does.
    pub points: Vec<&'static str>,
    /// Whether it works.
    pub state: PluginState,
}

/// Whether a plugin works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PluginState {
    /// It does.
    Loaded,
    /// It could not be loaded, and is not required.
    Failed(String),
    /// `enabled = false`.
    Disabled,
    /// A file in the folder that no entry names.
    Available,
}

impl fmt::Display for PluginState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loaded => f.write_str("loaded"),
            Self::Failed(reason) => write!(f, "failed: {reason}"),
            Self::Disabled => f.write_str("disabled"),
            Self::Available => f.write_str("available, not enabled"),
        }
    }
}

type Pairs = Arc<[(String, String)]>;

/// The loaded plugins.
#[derive(Debug)]
pub struct PluginHost {
    pub(super) plugins: Vec<Plugin>,
    reports: Vec<PluginReport>,
    /// Operator-set pairs by session, for events.
    metadata: RwLock<BTreeMap<ClientId, Pairs>>,
    pub(super) told: Told,
}

impl PluginHost {
    /// Loads every enabled plugin, in order.
    ///
    /// # Errors
    /// The first required one that cannot be used, named with the reason.
    pub async fn load(
        settings: &config::Plugins,
        entries: &[config::Plugin],
        cache_dir: &Path,
        kv: Arc<dyn KvStore>,
        secrets: Secrets,
    ) -> Result<Self, LoadError> {
        let enabled = entries.iter().filter(|entry| entry.enabled).count();
        let loader = Loader::new(settings, cache_dir, enabled, kv, secrets)?;
        let mut host = Self { plugins: vec![], reports: vec![], metadata: RwLock::default(), told: Told::default() };
        for entry in entries {
            let file = loader.file(entry).display().to_string();
            if host.reports.iter().any(|report| report.name == entry.name) {
                return Err(LoadError::Plugin { name: entry.name.clone(), file, reason: "it has two entries; one plugin is one entry".into() });
            }
            if !entry.enabled {
                host.reports.push(report(entry, file, PluginState::Disabled));
                continue;
            }
            match loader.load(entry).await {
                Ok((plugin, described)) => {
                    host.reports.push(loaded(&plugin, described, file));
                    host.plugins.push(plugin);
                }
                // Schemas, issues and panics are quoted in it.
                Err(reason) if entry.required => {
                    let reason = Said::within(MAX_REASON, &reason).into();
                    return Err(LoadError::Plugin { name: entry.name.clone(), file, reason });
                }
                Err(reason) => {
                    let reason = String::from(Said::within(MAX_REASON, &reason));
                    warn!(plugin = entry.name, reason, "plugin not loaded; the gateway goes on without it");
                    host.reports.push(report(entry, file, PluginState::Failed(reason)));
                }
            }
        }
        host.add_available(&settings.dir);
        Ok(host)
    }

    /// Sets the pairs that every event of a session carries from now on.
    pub fn set_metadata(&self, session: ClientId, pairs: Vec<(String, String)>) {
        self.metadata.write().unwrap_or_else(PoisonError::into_inner).insert(session, pairs.into());
    }

    pub(super) fn metadata(&self, session: &ClientId) -> Pairs {
        self.metadata.read().unwrap_or_else(PoisonError::into_inner).get(session).cloned().unwrap_or_default()
    }

    /// What became of each plugin at the start.
    #[must_use]
    pub fn reports(&self) -> &[PluginReport] {
        &self.reports
    }

    fn add_available(&mut self, dir: &Path) {
        let mut files: Vec<_> = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        files.sort();
        for path in files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "wasm")) {
            let file = path.display().to_string();
            if self.reports.iter().all(|report| report.file != file) {
                let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                let state = PluginState::Available;
                self.reports.push(PluginReport {
                    name,
                    version: String::new(),
                    description: String::new(),
                    file,
                    component: None,
                    points: vec![],
                    state,
                });
            }
        }
    }
}

fn report(entry: &config::Plugin, file: String, state: PluginState) -> PluginReport {
    PluginReport { name: entry.name.clone(), version: String::new(), description: String::new(), file, component: None, points: vec![], state }
}

fn loaded(plugin: &Plugin, described: Described, file: String) -> PluginReport {
    let points = [
        ("send-validation", plugin.points.validation.is_some()),
        ("message-templating", plugin.points.templating.is_some()),
        ("event-notification", plugin.points.notification.is_some()),
    ];
    PluginReport {
        version: Said::within(MAX_NAME, &described.version).into(),
        description: Said::from(&*described.description).into(),
        component: Some(plugin.component.clone()),
        points: points.into_iter().filter_map(|(name, there)| there.then_some(name)).collect(),
        ..report(&plugin.entry, file, PluginState::Loaded)
    }
}
