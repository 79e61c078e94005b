//! `wharf check`: validates the configuration and loads the plugins as a start would, without
//! starting anything.

use std::{
    path::{self, Path},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;

use super::load_plugins;
use crate::{
    config::{Config, Sources},
    plugins::{KvError, KvSpace, KvStore, LoadError, PluginReport},
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
    let database = config
        .storage
        .database
        .clone()
        .unwrap_or_else(|| config.sessions.path.join("wharf.db"));
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

/// Loads the plugins as a start would, and reports the state of each.
///
/// # Errors
/// When a required plugin cannot be loaded, as at a start.
pub async fn plugins(
    config: &Config,
    sources: Arc<Sources>,
) -> Result<Vec<PluginReport>, LoadError> {
    let host = load_plugins(config, Arc::new(NoKv), sources).await?;
    Ok(host.reports().to_vec())
}

/// One plugin as a line: name, version, state and file.
#[must_use]
pub fn line(report: &PluginReport) -> String {
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
struct NoKv;

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
