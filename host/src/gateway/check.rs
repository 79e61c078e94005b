//! `wharf check`: validates the configuration and loads the plugins as a start would, without
//! starting anything.

use std::{
    path::{self, Path},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;

use super::{database, plugin_cache, secrets};
use crate::{
    config::{Config, Sources},
    files::{self, Wanted},
    plugins::{KvError, KvSpace, KvStore, LoadError, PluginHost, PluginReport},
};

/// Lists where the configuration came from and which paths it uses: one line each, with absolute
/// paths.
#[must_use]
pub fn sources(config: &Config, sources: &Sources) -> Vec<String> {
    let here = std::env::current_dir().unwrap_or_default();
    let whole = |path: &Path| {
        path::absolute(path)
            .unwrap_or_else(|_| path.to_owned())
            .display()
            .to_string()
    };
    let file = match &sources.file {
        Some(file) => whole(file),
        None => format!(
            "no file: there is no gateway.toml in {}, and none is installed",
            here.display()
        ),
    };
    let dotenv = match &sources.dotenv {
        Some(dotenv) => whole(dotenv),
        None => format!("no .env in {}", here.display()),
    };
    let secrets = config
        .plugin
        .iter()
        .filter(|plugin| plugin.enabled)
        .flat_map(|plugin| plugin.grants.secrets.iter().map(String::as_str));
    let names = sources.names_set(secrets);
    let names = if names.is_empty() {
        String::new()
    } else {
        format!("; set: {}", names.join(", "))
    };
    let database = database(config);
    let mut lines = vec![
        format!("configuration: {file}"),
        format!("environment: {dotenv}{names}"),
        format!("session path: {}", whole(&config.sessions.path)),
        format!("database: {}", whole(&database)),
        format!("plugins: {}", whole(&config.plugins.dir)),
    ];
    lines.extend(
        config
            .whatsapp
            .bridge_script
            .as_deref()
            .map(|script| format!("bridge script: {}", whole(script))),
    );
    lines
}

/// Loads the plugins as a start would, and reports the state of each. The cache of compiled plugins
/// is neither read nor written: run as another user, a check would create it as that user, and the
/// gateway could not use it.
///
/// # Errors
/// When a required plugin cannot be loaded, or when the cache is not private, as at a start.
pub async fn plugins(
    config: &Config,
    sources: Arc<Sources>,
) -> Result<Vec<PluginReport>, LoadError> {
    // A start makes the cache private, or refuses it.
    files::look(
        Wanted::Folder,
        "cache of compiled plugins",
        &plugin_cache(config),
    )
    .map_err(|exposed| LoadError::Cache(exposed.to_string()))?;
    let host = PluginHost::load_uncached(
        &config.plugins,
        &config.plugin,
        Arc::new(NoKv),
        secrets(sources),
    )
    .await?;
    Ok(host.reports())
}

/// One plugin: a line with its name, version, state and file, then lines with its extension points
/// and with each setting of its entry that has no effect.
#[must_use]
pub fn line(report: &PluginReport) -> String {
    let mut lines = vec![summary(report)];
    if !report.points.is_empty() {
        lines.push(format!("  extension points: {}", report.points.join(", ")));
    }
    if let Some(line) = report.line {
        lines.push(format!("  contract: {line}"));
    }
    lines.extend(
        report
            .candidate
            .iter()
            .map(|candidate| format!("  candidate: {candidate}")),
    );
    lines.extend(unread(report).map(|warning| format!("  warning: {warning}")));
    lines.join("\n")
}

/// The settings of a plugin's entry that have no effect: the operator expects one.
pub(super) fn unread(report: &PluginReport) -> impl Iterator<Item = String> {
    report.unread_settings.iter().map(|setting| {
        format!("`{setting}` has no effect: the plugin exports no extension point that reads it")
    })
}

/// One plugin as a line: name, version, state and file.
pub(super) fn summary(report: &PluginReport) -> String {
    let version = if report.version.is_empty() {
        String::new()
    } else {
        format!(" {}", report.version)
    };
    format!(
        "plugin {}{version}: {}, {}",
        report.name, report.state, report.file
    )
}

/// Plugin storage for a check: stores nothing and refuses every call.
#[derive(Debug)]
pub(super) struct NoKv;

fn refused<T>() -> Result<T, KvError> {
    Err(KvError::Unavailable("no storage during a check".into()))
}

#[async_trait]
impl KvStore for NoKv {
    async fn get(&self, _: &KvSpace, _: &str) -> Result<Option<(Vec<u8>, u64)>, KvError> {
        refused()
    }
    async fn set(
        &self,
        _: &KvSpace,
        _: &str,
        _: Option<Option<u64>>,
        _: &[u8],
        _: Option<Duration>,
    ) -> Result<bool, KvError> {
        refused()
    }
    async fn delete(&self, _: &KvSpace, _: &str) -> Result<(), KvError> {
        refused()
    }
    async fn list(
        &self,
        _: &KvSpace,
        _: &str,
        _: Option<&str>,
        _: u32,
    ) -> Result<Vec<String>, KvError> {
        refused()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::plugins::PluginState;

    #[test]
    fn a_plugin_is_shown_with_its_points_and_the_settings_that_none_of_them_reads() {
        let mut report = PluginReport {
            name: "mine".into(),
            version: "0.1.0".into(),
            description: String::new(),
            file: "/plugins/mine.wasm".into(),
            component: None,
            line: Some("0.2"),
            points: vec!["send-validation", "event-notification"],
            unread_settings: vec![],
            candidate: None,
            state: PluginState::Loaded,
        };
        let first = "plugin mine 0.1.0: loaded, /plugins/mine.wasm\n  extension points: send-validation, event-notification\n  contract: 0.2";
        assert_eq!(line(&report), first);
        report.unread_settings = vec!["grants.http"];
        assert_eq!(
            line(&report),
            format!(
                "{first}\n  warning: `grants.http` has no effect: the plugin exports no extension point that reads it"
            )
        );
        report.candidate = Some("failed: why, /plugins/next.wasm".into());
        let said = line(&report);
        assert!(
            said.contains("\n  candidate: failed: why, /plugins/next.wasm\n  warning"),
            "{said}"
        );
        report.candidate = None;
        report.points = vec![];
        report.line = None;
        report.unread_settings = vec![];
        assert_eq!(
            line(&report),
            "plugin mine 0.1.0: loaded, /plugins/mine.wasm"
        );
    }

    #[tokio::test]
    async fn a_check_leaves_the_session_path_and_the_cache_as_they_are() {
        let dir = tempfile::tempdir().expect("tempdir");
        let plugins = dir.path().join("plugins");
        fs::create_dir(&plugins).expect("made");
        // The smallest component: it is compiled, and then refused because it exports nothing.
        let component = [0, b'a', b's', b'm', 0x0d, 0, 1, 0];
        fs::write(plugins.join("mine.wasm"), component).expect("written");
        let entry = "name = \"mine\"\nrequired = false\n";
        let mut config = Config {
            plugin: vec![toml::from_str(entry).expect("an entry")],
            ..Config::default()
        };
        config.plugins.dir = plugins;
        config.sessions.path = dir.path().join("session");
        let reports = super::plugins(&config, Arc::default())
            .await
            .expect("loaded");
        let said = line(reports.first().expect("a report"));
        assert!(said.contains("does not export"), "{said}");
        assert!(!config.sessions.path.exists(), "nothing is created");

        // As a start, it refuses a cache that is no folder.
        fs::create_dir(&config.sessions.path).expect("made");
        fs::create_dir(config.sessions.path.join("cache")).expect("made");
        fs::write(plugin_cache(&config), "").expect("written");
        let error = super::plugins(&config, Arc::default())
            .await
            .expect_err("a file")
            .to_string();
        assert!(error.contains("a folder is expected there"), "{error}");
    }
}
