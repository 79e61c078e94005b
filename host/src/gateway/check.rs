//! `wharf check` and `wharf doctor`: what is wrong, before anything is started.

use std::{path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;

use super::load_plugins;
use crate::{
    browser,
    config::{Config, Sources},
    plugins::{KvError, KvSpace, KvStore, LoadError},
    session,
};

/// Loads the plugins as a start would. Returns a line for each.
///
/// # Errors
/// As a start: a required plugin that cannot be loaded.
pub async fn plugins(config: &Config, sources: Arc<Sources>) -> Result<Vec<String>, LoadError> {
    let host = load_plugins(config, Arc::new(NoKv), sources).await?;
    Ok(host.reports().iter().map(|report| format!("plugin {} {}: {}", report.name, report.version, report.state)).collect())
}

/// One line per thing that is needed: true when it is there.
#[must_use]
pub fn machine(config: &Config) -> Vec<(bool, String)> {
    let chromium = browser::find_executable(config.browser.executable.as_deref(), config.browser.kind);
    let root = nix::unistd::geteuid().is_root();
    let path = &config.sessions.path;
    let writable = session::prepare_root(path);
    vec![
        match chromium {
            Ok(path) => (true, format!("Chromium: {}", path.display())),
            Err(error) => (false, error.to_string()),
        },
        (
            !root,
            if root {
                "running as root: Chromium's sandbox is off; use an ordinary user".into()
            } else {
                "not root: Chromium's sandbox is on".into()
            },
        ),
        match writable {
            Ok(()) => (true, format!("session path {}: writable", path.display())),
            Err(error) => (false, format!("session path {}: {error}", path.display())),
        },
        plugin_dir(&config.plugins.dir, config.plugin.is_empty()),
    ]
}

fn plugin_dir(dir: &Path, none_wanted: bool) -> (bool, String) {
    let built = std::fs::read_dir(dir).map_or(0, |entries| entries.flatten().filter(|e| e.path().extension().is_some_and(|x| x == "wasm")).count());
    (built > 0 || none_wanted, format!("plugin folder {}: {built} built plugins", dir.display()))
}

/// A check keeps nothing.
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
    async fn set(&self, _: &KvSpace, _: &str, _: Option<Option<u64>>, _: &[u8], _: Option<Duration>) -> Result<bool, KvError> {
        refused()
    }
    async fn delete(&self, _: &KvSpace, _: &str) -> Result<(), KvError> {
        refused()
    }
    async fn list(&self, _: &KvSpace, _: &str, _: Option<&str>, _: u32) -> Result<Vec<String>, KvError> {
        refused()
    }
}
