//! A component in the plugin host, with a storage of its own that is deleted afterwards.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{self, Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tempfile::TempDir;

use super::settings::Settings;
use crate::{
    config::{self, Grants},
    model::ClientId,
    plugins::{Inspection, Instruments, KvSpace, KvStore, LoadError, PluginHost, PluginReport},
    store::Store,
};

/// A loaded component.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) host: PluginHost,
    pub(super) instruments: Arc<Instruments>,
    pub(super) name: String,
    grants: Grants,
    /// How many subjects it was asked about.
    asked: AtomicU64,
    store: Arc<dyn KvStore>,
    /// Holds the database of the storage.
    _folder: TempDir,
}

/// A component's file.
#[derive(Debug, Clone)]
pub(super) struct ComponentFile {
    dir: PathBuf,
    file: String,
}

impl ComponentFile {
    pub(super) fn new(path: &Path) -> Result<Self, String> {
        let shown = path.display();
        let whole = path::absolute(path).map_err(|error| format!("{shown}: {error}"))?;
        let kind = fs::metadata(&whole).map_err(|error| {
            format!("cannot read {shown}: {error}; `wharf plugin build` makes the component of a project")
        })?;
        if !kind.is_file() {
            return Err(format!(
                "{shown} is not a file; name the component, e.g. build/{}.wasm",
                whole
                    .file_name()
                    .map(|name| name.to_string_lossy())
                    .unwrap_or_default()
            ));
        }
        match (
            whole.parent(),
            whole.file_name().and_then(|name| name.to_str()),
        ) {
            (Some(dir), Some(name)) => Ok(Self {
                dir: dir.to_owned(),
                file: name.to_owned(),
            }),
            _ => Err(format!("{shown}: the name of a component must be UTF-8")),
        }
    }

    /// What the component says of itself. With an entry, it is configured by it.
    pub(super) async fn inspect(
        &self,
        settings: &Settings,
        entry: Option<&config::Plugin>,
    ) -> Result<Inspection, String> {
        let (folder, kv) = storage().await?;
        let unnamed = Settings::unnamed(&self.file)?;
        let (plugins, entry) = (settings.plugins(&self.dir), entry.unwrap_or(&unnamed));
        let cache = cache();
        let found = PluginHost::inspect(&plugins, entry, cache.as_deref(), Arc::clone(&kv)).await;
        let found = match found {
            Err(LoadError::Cache(_)) => PluginHost::inspect(&plugins, entry, None, kv).await,
            found => found,
        };
        drop(folder);
        found.map_err(|error| self.refused(error))
    }

    /// The name that the component gives itself.
    pub(super) async fn name(&self, settings: &Settings) -> Result<String, String> {
        Ok(self.inspect(settings, None).await?.name)
    }

    /// The component's entry in the settings.
    pub(super) fn entry(&self, settings: &Settings, name: &str) -> Result<config::Plugin, String> {
        settings.entry(name, &self.file)
    }

    fn refused(&self, error: LoadError) -> String {
        match error {
            LoadError::Plugin { reason, .. } => {
                format!("{}: {reason}", self.dir.join(&self.file).display())
            }
            other => other.to_string(),
        }
    }
}

impl Loaded {
    /// Loads the component of the plugin `name` as a gateway does at its start. Its secrets have the
    /// values of `secrets`, or those of the environment.
    pub(super) async fn open(
        file: &ComponentFile,
        name: &str,
        settings: &Settings,
        secrets: Option<BTreeMap<String, String>>,
    ) -> Result<Self, String> {
        let entry = file.entry(settings, name)?;
        let (folder, store) = storage().await?;
        let secret = Arc::new(move |name: &str| match &secrets {
            Some(secrets) => secrets.get(name).cloned(),
            None => env::var(name).ok(),
        });
        let grants = entry.grants.clone();
        // Disabled or optional, it would not be tried.
        let entries = [config::Plugin {
            enabled: true,
            required: true,
            ..entry
        }];
        let plugins = settings.plugins(&file.dir);
        let load = async |cache: Option<&Path>| match cache {
            Some(cache) => {
                let (kv, secret) = (Arc::clone(&store), secret.clone());
                PluginHost::load(&plugins, &entries, cache, kv, secret).await
            }
            None => {
                let (kv, secret) = (Arc::clone(&store), secret.clone());
                PluginHost::load_uncached(&plugins, &entries, kv, secret).await
            }
        };
        let loaded = match load(cache().as_deref()).await {
            Err(LoadError::Cache(_)) => load(None).await,
            loaded => loaded,
        };
        let host = loaded.map_err(|error| file.refused(error))?;
        let instruments = host.observe();
        Ok(Self {
            host,
            instruments,
            name: name.to_owned(),
            grants,
            asked: AtomicU64::new(0),
            store,
            _folder: folder,
        })
    }

    /// What the gateway reports of it.
    pub(super) fn report(&self) -> Option<PluginReport> {
        self.host
            .reports()
            .into_iter()
            .find(|report| report.name == self.name)
    }

    /// The extension points that it exports.
    pub(super) fn points(&self) -> Vec<&'static str> {
        self.report().map_or_else(Vec::new, |report| report.points)
    }

    /// The number of the next subject, from 1. Each input is a message or a delivery of its own: a
    /// plugin takes a repeated subject for another attempt.
    pub(super) fn next_subject(&self) -> u64 {
        self.asked.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn space(&self, session: &ClientId) -> Result<KvSpace, String> {
        let quota = self.grants.kv.ok_or(
            "kv is given, but the plugin has no storage; grant it, e.g. grants = { kv = \"1MiB\" }",
        )?;
        Ok(KvSpace {
            plugin: self.name.clone(),
            session: (!self.grants.kv_shared).then(|| session.clone()),
            quota: quota.0,
        })
    }

    /// The text of a key in the plugin's storage; none if there is no such key.
    pub(super) async fn stored(
        &self,
        session: &ClientId,
        key: &str,
    ) -> Result<Option<String>, String> {
        let found = self.store.get(&self.space(session)?, key).await;
        let found = found.map_err(|error| format!("kv.{key}: {error}"))?;
        Ok(found.map(|(value, _)| String::from_utf8_lossy(&value).into_owned()))
    }

    /// Writes a key of the plugin's storage.
    pub(super) async fn keep(
        &self,
        session: &ClientId,
        key: &str,
        value: &str,
    ) -> Result<(), String> {
        let space = self.space(session)?;
        let kept = self.store.set(&space, key, None, value.as_bytes(), None);
        kept.await
            .map(drop)
            .map_err(|error| format!("kv.{key}: {error}"))
    }
}

async fn storage() -> Result<(TempDir, Arc<dyn KvStore>), String> {
    let folder = TempDir::new().map_err(|error| format!("no temporary folder: {error}"))?;
    let store = Store::open(&folder.path().join("workbench.db"))
        .await
        .map_err(|error| error.to_string())?;
    Ok((folder, Arc::new(store)))
}

/// The user's cache of compiled components. A component with an interpreter takes half a minute to
/// compile in an unoptimised build; its author runs it again and again.
fn cache() -> Option<PathBuf> {
    let whole = |name| {
        env::var_os(name)
            .map(PathBuf::from)
            .filter(|path| path.is_absolute())
    };
    whole("XDG_CACHE_HOME")
        .or_else(|| whole("HOME").map(|home| home.join(".cache")))
        .map(|folder| folder.join("wharf/plugins"))
}
