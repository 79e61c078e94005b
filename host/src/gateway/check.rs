//! `wharf check`: the configuration and the plugins, as a start would take them, without starting anything.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use super::load_plugins;
use crate::{
    config::{Config, Sources},
    plugins::{KvError, KvSpace, KvStore, LoadError},
};

/// Loads the plugins as a start would. Returns a line for each.
///
/// # Errors
/// As a start: a required plugin that cannot be loaded.
pub async fn plugins(config: &Config, sources: Arc<Sources>) -> Result<Vec<String>, LoadError> {
    let host = load_plugins(config, Arc::new(NoKv), sources).await?;
    Ok(host.reports().iter().map(|report| format!("plugin {} {}: {}", report.name, report.version, report.state)).collect())
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
