//! From a file and an entry of `gateway.toml` to a checked plugin.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio::sync::Semaphore;
use wasmtime::component::{Component, HasSelf, Linker};

use super::{
    bindings::{
        exports::wharf::plugin::{event_notification, lifecycle, message_templating, send_validation},
        wharf::plugin::{calls, kv, log, messages, secrets},
    },
    check::{self, whole},
    engine::Wasm,
    guest::{Plugin, Points},
    hostcalls::Guest,
    ports::KvStore,
};
use crate::config;

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
    dir: PathBuf,
    kv: Arc<dyn KvStore>,
    secrets: Secrets,
}

impl Loader {
    /// A loader for so many plugins.
    pub(super) fn new(dir: &Path, cache_dir: &Path, plugins: usize, kv: Arc<dyn KvStore>, secrets: Secrets) -> Result<Self, LoadError> {
        private_dir(cache_dir).map_err(|error| LoadError::Engine(format!("{}: {error}", cache_dir.display())))?;
        let wasm = Wasm::new(cache_dir, plugins).map_err(|error| LoadError::Engine(format!("{error:#}")))?;
        let linker = linker(&wasm).map_err(|error| LoadError::Engine(format!("{error:#}")))?;
        Ok(Self { wasm, linker, dir: dir.to_owned(), kv, secrets })
    }

    /// The file of an entry.
    pub(super) fn file(&self, entry: &config::Plugin) -> PathBuf {
        let named = entry.file.clone().unwrap_or_else(|| {
            let plain = format!("{}.wasm", entry.name);
            if self.dir.join(&plain).is_file() { plain } else { format!("{}.wasm", entry.name.replace('-', "_")) }
        });
        self.dir.join(named)
    }

    pub(super) async fn load(&self, entry: &config::Plugin) -> Result<(Plugin, Described), String> {
        let path = self.file(entry);
        if path.parent() != Some(self.dir.as_path()) {
            return Err("`file` must be the name of a file in the plugin folder, without a path".into());
        }
        let bytes = fs::read(&path).map_err(|error| format!("{error}; the bundled plugins are built by `cargo xtask plugins`"))?;
        let component = check::digest(&bytes);
        check::sessions(entry)?;
        check::pin(entry, &component)?;
        check::is_component(&bytes)?;
        let http = check::http(&entry.grants)?;
        if usize::try_from(entry.memory.0).unwrap_or(usize::MAX) > super::engine::MAX_MEMORY {
            return Err(format!("memory must be at most {} MiB", super::engine::MAX_MEMORY >> 20));
        }
        let engine = self.wasm.engine.clone();
        // Compiling takes up to seconds when the code is not in the cache.
        let compiled = tokio::task::spawn_blocking(move || Component::from_binary(&engine, &bytes)).await.map_err(|error| error.to_string())?;
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
        let described = probe(&mut plugin, &config).await?;
        Ok((plugin, described))
    }

    /// How many calls of the plugin fit into its share of the pool.
    fn turns(&self, compiled: &Component) -> Result<usize, String> {
        let needed = compiled.resources_required().ok_or("it imports core modules, which this gateway does not provide")?;
        let turns = self.wasm.share.turns(needed.num_memories, needed.num_tables)?;
        Ok(usize::try_from(turns).unwrap_or(1))
    }
}

/// Asks the plugin about itself, with every capability refused. A plugin that passes here cannot fail by its types later.
async fn probe(plugin: &mut Plugin, config: &serde_json::Value) -> Result<Described, String> {
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
    check::schema(info.config_schema.as_deref(), config)?;
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
    plugin.events = info.events;
    Ok(Described { version: info.version, description: info.description })
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

/// Compiled code is executed as it is: nobody else may write there.
fn private_dir(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}
