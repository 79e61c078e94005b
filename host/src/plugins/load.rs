//! From a file and an entry of `gateway.toml` to a checked plugin.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};
use tracing::warn;
use wasmtime::component::{Component, HasSelf, Linker};

use super::{
    bindings::{
        exports::wharf::plugin::{event_notification, lifecycle, message_templating, send_validation},
        wharf::plugin::{calls, kv, log, messages, secrets},
    },
    cache::Cache,
    check::{self, whole},
    engine::Wasm,
    guest::{Plugin, Points},
    hostcalls::Guest,
    pattern::Pattern,
    ports::KvStore,
    schema,
};
use crate::{config, files};

/// Why the plugins could not be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// A required one cannot be used.
    #[error("plugin {name} ({file}): {reason}")]
    Plugin {
        /// As in `gateway.toml`.
        name: String,
        /// Where it should be.
        file: String,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// The engine itself.
    #[error("the plugin engine does not start: {0}")]
    Engine(String),
    /// Compiled code would not be safe there.
    #[error("{0}; [plugins] cache names another place")]
    Cache(String),
}

/// Where secrets come from, by name.
pub(super) type Secrets = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What a plugin says of itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Described {
    pub(super) version: String,
    pub(super) description: String,
}

pub(super) struct Loader {
    pub(super) wasm: Wasm,
    linker: Linker<Guest>,
    cache: Arc<Cache>,
    dir: PathBuf,
    patience: Duration,
    kv: Arc<dyn KvStore>,
    secrets: Secrets,
}

impl Loader {
    /// A loader for so many plugins.
    pub(super) fn new(settings: &config::Plugins, cache: &Path, plugins: usize, kv: Arc<dyn KvStore>, secrets: Secrets) -> Result<Self, LoadError> {
        let wasm = Wasm::new(plugins).map_err(|error| LoadError::Engine(format!("{error:#}")))?;
        let cache = Cache::open(cache, &wasm.engine).map_err(|error| LoadError::Cache(error.to_string()))?;
        let linker = linker(&wasm).map_err(|error| LoadError::Engine(format!("{error:#}")))?;
        let (dir, patience) = (settings.dir.clone(), settings.load_timeout.duration());
        Ok(Self { wasm, linker, cache: Arc::new(cache), dir, patience, kv, secrets })
    }

    /// The file of an entry.
    pub(super) fn file(&self, entry: &config::Plugin) -> PathBuf {
        let named = entry.file.clone().unwrap_or_else(|| {
            let plain = format!("{}.wasm", entry.name);
            // Whatever it is: what is not a file is refused by name.
            if fs::symlink_metadata(self.dir.join(&plain)).is_ok() { plain } else { format!("{}.wasm", entry.name.replace('-', "_")) }
        });
        self.dir.join(named)
    }

    pub(super) async fn load(&self, entry: &config::Plugin) -> Result<(Plugin, Described), String> {
        let path = self.file(entry);
        if path.parent() != Some(self.dir.as_path()) {
            return Err("`file` must be the name of a file in the plugin folder, without a path".into());
        }
        let bytes = self.read(entry, path).await?;
        let component = check::digest(&bytes);
        check::sessions(entry)?;
        check::pin(entry, &component)?;
        check::is_component(&bytes)?;
        check::size(&bytes)?;
        let http = check::http(&entry.grants)?;
        if usize::try_from(entry.memory.0).unwrap_or(usize::MAX) > super::engine::MAX_MEMORY {
            return Err(format!("memory must be at most {} MiB", super::engine::MAX_MEMORY >> 20));
        }
        let (engine, cache, sha256) = (self.wasm.engine.clone(), Arc::clone(&self.cache), component.clone());
        // Takes up to seconds when the code is not in the cache.
        let compiled = self.within("compiling it", move || cache.component(&engine, &sha256, &bytes)).await?;
        let compiled = compiled.map_err(|error| format!("it cannot be compiled: {error:#}"))?;
        let named = check::interfaces(&self.wasm.engine, &compiled)?;
        let turns = self.turns(&compiled)?;
        let pre = self.linker.instantiate_pre(&compiled).map_err(|error| format!("it does not fit this gateway: {error:#}"))?;
        let points = Points {
            lifecycle: whole(check::LIFECYCLE, lifecycle::GuestIndices::new(&pre))?,
            validation: named.point(check::VALIDATION, || send_validation::GuestIndices::new(&pre))?,
            templating: named.point(check::TEMPLATING, || message_templating::GuestIndices::new(&pre))?,
            notification: named.point(check::NOTIFICATION, || event_notification::GuestIndices::new(&pre))?,
        };
        let config = serde_json::to_value(&entry.config).map_err(|error| error.to_string())?;
        let secret = |name: &String| {
            let value =
                (self.secrets)(name).ok_or_else(|| format!("grants.secrets names {name}, but there is no environment variable of that name"))?;
            Ok::<_, String>((name.clone(), value))
        };
        let mut plugin = Plugin {
            wasm: self.wasm.clone(),
            turns: Arc::new(Semaphore::new(turns)),
            pre,
            points,
            config: config.to_string().into(),
            component,
            events: vec![],
            templates: vec![],
            http,
            kv: Arc::clone(&self.kv),
            secrets: entry.grants.secrets.iter().map(secret).collect::<Result<_, _>>()?,
            entry: entry.clone(),
        };
        let described = self.probe(&mut plugin, config).await?;
        Ok((plugin, described))
    }

    async fn read(&self, entry: &config::Plugin, path: PathBuf) -> Result<Vec<u8>, String> {
        if entry.sha256.is_none()
            && let Some(open) = [&path, &self.dir].into_iter().find(|path| files::writable_by_all(path))
        {
            let plugin = &entry.name;
            warn!(plugin, path = %open.display(), "every user of this machine can replace the plugin: close it (`chmod o-w`), or pin the file by `sha256`");
        }
        let read = self.within("reading its file", move || files::read(&path, check::FILE)).await?;
        read.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => format!("{error}; the bundled plugins are built by `cargo xtask plugins`"),
            _ => error.to_string(),
        })
    }

    /// Does what a file or a plugin's author could make endless, on a thread of its own. A thread cannot be ended: one that is
    /// not waited for any more works on until it is done, or the process ends.
    async fn within<T: Send + 'static>(&self, what: &str, work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
        match timeout(self.patience, spawn_blocking(work)).await {
            Ok(done) => done.map_err(|error| format!("{what} broke off: {error}")),
            Err(_) => Err(format!("{what} took longer than {:?} and is not waited for; [plugins] load_timeout gives it more time", self.patience)),
        }
    }

    /// How many calls of the plugin fit into its share of the pool.
    fn turns(&self, compiled: &Component) -> Result<usize, String> {
        let needed = compiled.resources_required().ok_or("it imports core modules, which this gateway does not provide")?;
        let turns = self.wasm.share.turns(needed.num_memories, needed.num_tables)?;
        Ok(usize::try_from(turns).unwrap_or(1))
    }

    /// Asks the plugin about itself, with every capability refused. A plugin that passes here cannot fail by its types later.
    async fn probe(&self, plugin: &mut Plugin, config: serde_json::Value) -> Result<Described, String> {
        let words = |failure: super::ports::CallFailure| format!("{}: {}", failure.kind, failure.detail);
        let info = plugin.probe(|mut call| {
            Box::pin(async move {
                if let Some(point) = &call.points.validation {
                    point.load(&mut call.store, &call.instance)?;
                }
                if let Some(point) = &call.points.notification {
                    point.load(&mut call.store, &call.instance)?;
                }
                let lifecycle = call.points.lifecycle.load(&mut call.store, &call.instance)?;
                lifecycle.call_describe(&mut call.store).await
            })
        });
        let info = info.await.map_err(|failure| format!("describe failed: {}", words(failure)))?;
        if info.name != plugin.entry.name {
            return Err(format!("it calls itself {:?}; `name` must be the same", info.name));
        }
        let text = info.config_schema;
        self.within("checking its config", move || schema::check(text.as_deref(), &config)).await??;
        let configured = plugin.probe(|mut call| {
            Box::pin(async move {
                let answer = call.configure().await?;
                let mut names = Vec::new();
                if answer.is_ok()
                    && let Some(point) = &call.points.templating
                {
                    let point = point.load(&mut call.store, &call.instance)?;
                    names.extend(point.call_templates(&mut call.store).await?.into_iter().map(|template| template.name));
                }
                Ok((answer, names))
            })
        });
        let (answer, templates) = configured.await.map_err(|failure| format!("configure failed: {}", words(failure)))?;
        answer.map_err(|issues| check::issues(&issues))?;
        plugin.templates = templates;
        plugin.events = info.events.iter().map(|pattern| Pattern::new(pattern)).collect();
        Ok(Described { version: info.version, description: info.description })
    }
}

fn linker(wasm: &Wasm) -> wasmtime::Result<Linker<Guest>> {
    let mut linker = Linker::<Guest>::new(&wasm.engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    calls::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest| guest)?;
    messages::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest| guest)?;
    log::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest| guest)?;
    kv::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest| guest)?;
    secrets::add_to_linker::<_, HasSelf<_>>(&mut linker, |guest| guest)?;
    Ok(linker)
}
