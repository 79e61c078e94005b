//! Loads all plugins when the gateway starts, and reports the result for each.

use std::{fs, path::Path, sync::Arc};

use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;
use tracing::warn;

use super::{
    beside::Beside,
    check,
    guest::Plugin,
    host::PluginHost,
    load::{LoadError, Loader, Secrets, SelfDescription},
    points::point::Setting,
    ports::KvStore,
    report::{PluginReport, PluginState, PluginStatus},
    set::PluginSet,
    text::{MAX_NAME, MAX_REASON, PluginText},
};
use crate::config;

/// Plugins that are loaded at the same time. Most of the work is done on threads of their own;
/// compiling a large component takes hundreds of megabytes.
const AT_ONCE: usize = 3;

impl PluginHost {
    /// Loads every enabled plugin, in the order of the entries.
    ///
    /// # Errors
    /// The first required plugin that cannot be used, with the reason.
    pub async fn load(
        settings: &config::Plugins,
        entries: &[config::Plugin],
        cache_dir: &Path,
        kv: Arc<dyn KvStore>,
        secrets: Secrets,
    ) -> Result<Self, LoadError> {
        Self::load_with(settings, entries, Some(cache_dir), kv, secrets).await
    }

    /// Loads every enabled plugin as [`PluginHost::load`] does, without a cache of compiled code:
    /// nothing is written to the disk.
    ///
    /// # Errors
    /// As [`PluginHost::load`].
    pub async fn load_uncached(
        settings: &config::Plugins,
        entries: &[config::Plugin],
        kv: Arc<dyn KvStore>,
        secrets: Secrets,
    ) -> Result<Self, LoadError> {
        Self::load_with(settings, entries, None, kv, secrets).await
    }

    async fn load_with(
        settings: &config::Plugins,
        entries: &[config::Plugin],
        cache_dir: Option<&Path>,
        kv: Arc<dyn KvStore>,
        secrets: Secrets,
    ) -> Result<Self, LoadError> {
        let enabled = entries.iter().filter(|entry| entry.enabled).count();
        let (news, told) = mpsc::unbounded_channel();
        let (offers, offered) = mpsc::unbounded_channel();
        let loader = Loader::new(settings, cache_dir, enabled, kv, secrets, news, offers)?;
        let mut set = PluginSet::default();
        for (n, entry) in entries.iter().enumerate() {
            if entries.iter().take(n).any(|other| other.name == entry.name) {
                return Err(LoadError::Plugin {
                    name: entry.name.clone(),
                    file: loader.file(entry).display().to_string(),
                    reason: "it has two entries; one plugin is one entry".into(),
                });
            }
        }
        // They end in the order of the entries. The pool has room for the calls of all plugins, and
        // so for asking several about themselves, because nobody calls them yet.
        let mut loads = stream::iter(entries.iter().filter(|entry| entry.enabled))
            .map(|entry| loader.load(entry))
            .buffered(AT_ONCE);
        for entry in entries {
            let file = loader.file(entry).display().to_string();
            if !entry.enabled {
                let report = report(entry.name.clone(), file, PluginState::Disabled);
                set.statuses.push(PluginStatus::new(report));
                continue;
            }
            // There is one load for each enabled entry.
            let Some(loaded_plugin) = loads.next().await else {
                break;
            };
            match loaded_plugin {
                Ok((plugin, description)) => {
                    let beside = loader.beside(&plugin, None).await;
                    let report = loaded(&plugin, &description, file, beside.as_ref());
                    set.statuses.push(PluginStatus::new(report));
                    set.stand(plugin, beside);
                }
                // The reason may quote schemas, configuration issues and panics of the plugin, so
                // it is cut and escaped.
                Err(reason) if entry.required => {
                    let reason = PluginText::truncated(MAX_REASON, &reason).into();
                    return Err(LoadError::Plugin {
                        name: entry.name.clone(),
                        file,
                        reason,
                    });
                }
                Err(reason) => {
                    let reason = String::from(PluginText::truncated(MAX_REASON, &reason));
                    warn!(
                        plugin = entry.name,
                        reason, "plugin not loaded; the gateway goes on without it"
                    );
                    let report = report(entry.name.clone(), file, PluginState::Failed(reason));
                    set.statuses.push(PluginStatus::new(report));
                }
            }
        }
        drop(loads);
        add_available(&mut set, &loader.dir);
        Ok(Self::new(loader, set, told, offered))
    }
}

/// Adds the files of the plugin folder that no entry names.
pub(super) fn add_available(set: &mut PluginSet, dir: &Path) {
    let mut files: Vec<_> = fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    files.sort();
    for path in files.iter().filter(|path| {
        path.extension()
            .is_some_and(|extension| extension == "wasm")
    }) {
        let file = path.display().to_string();
        let named = |status: &PluginStatus| status.report.file == file;
        if !set.statuses.iter().any(named) {
            let name = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let report = report(name, file, PluginState::Available);
            set.statuses.push(PluginStatus::new(report));
        }
    }
}

/// The report of a plugin of which nothing more is known.
pub(super) fn report(name: String, file: String, state: PluginState) -> PluginReport {
    PluginReport {
        name,
        version: String::new(),
        description: String::new(),
        file,
        component: None,
        line: None,
        points: vec![],
        unread_settings: vec![],
        candidate: None,
        state,
    }
}

/// The report of a plugin that was loaded.
pub(super) fn loaded(
    plugin: &Plugin,
    description: &SelfDescription,
    file: String,
    beside: Option<&Beside>,
) -> PluginReport {
    PluginReport {
        version: PluginText::truncated(MAX_NAME, &description.version).into(),
        description: PluginText::from(&*description.description).into(),
        component: Some(plugin.component.clone()),
        line: Some(plugin.line.as_str()),
        points: plugin
            .points
            .points()
            .map(|point| point.interface)
            .collect(),
        unread_settings: check::unread_settings(&plugin.entry, &plugin.points)
            .into_iter()
            .map(Setting::key)
            .collect(),
        candidate: beside.map(Beside::summary),
        ..report(plugin.entry.name.clone(), file, PluginState::Loaded)
    }
}
