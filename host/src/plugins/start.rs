//! Loads all plugins when the gateway starts, and reports the result for each.

use std::{fs, path::Path, sync::Arc};

use tracing::warn;

use super::{
    check,
    guest::Plugin,
    host::{PluginHost, PluginReport, PluginState},
    load::{LoadError, Loader, Secrets, SelfDescription},
    points::point::Setting,
    ports::KvStore,
    text::{MAX_NAME, PluginText},
};
use crate::config;

/// The most bytes of the reason why a plugin could not be loaded. It may list every fault of a
/// configuration.
const MAX_REASON: usize = 4096;

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
        let loader = Loader::new(settings, cache_dir, enabled, kv, secrets)?;
        let (mut plugins, mut reports) = (Vec::new(), Vec::<PluginReport>::new());
        for entry in entries {
            let file = loader.file(entry).display().to_string();
            if reports.iter().any(|report| report.name == entry.name) {
                return Err(LoadError::Plugin {
                    name: entry.name.clone(),
                    file,
                    reason: "it has two entries; one plugin is one entry".into(),
                });
            }
            if !entry.enabled {
                reports.push(report(entry.name.clone(), file, PluginState::Disabled));
                continue;
            }
            match loader.load(entry).await {
                Ok((plugin, description)) => {
                    reports.push(loaded(&plugin, &description, file));
                    plugins.push(plugin);
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
                    reports.push(report(
                        entry.name.clone(),
                        file,
                        PluginState::Failed(reason),
                    ));
                }
            }
        }
        add_available(&mut reports, &settings.dir);
        Ok(Self::new(plugins, reports))
    }
}

/// Adds a report for every file of the plugin folder that no entry names.
fn add_available(reports: &mut Vec<PluginReport>, dir: &Path) {
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
        if reports.iter().all(|report| report.file != file) {
            let name = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            reports.push(report(name, file, PluginState::Available));
        }
    }
}

/// The report of a plugin of which nothing more is known.
fn report(name: String, file: String, state: PluginState) -> PluginReport {
    PluginReport {
        name,
        version: String::new(),
        description: String::new(),
        file,
        component: None,
        points: vec![],
        unread_settings: vec![],
        state,
    }
}

fn loaded(plugin: &Plugin, description: &SelfDescription, file: String) -> PluginReport {
    PluginReport {
        version: PluginText::truncated(MAX_NAME, &description.version).into(),
        description: PluginText::from(&*description.description).into(),
        component: Some(plugin.component.clone()),
        points: plugin
            .points
            .points()
            .map(|point| point.interface)
            .collect(),
        unread_settings: check::unread_settings(&plugin.entry, &plugin.points)
            .into_iter()
            .map(Setting::key)
            .collect(),
        ..report(plugin.entry.name.clone(), file, PluginState::Loaded)
    }
}
