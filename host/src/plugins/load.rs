//! Loads and checks a plugin from its file and its entry in `gateway.toml`.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};
use tracing::warn;
use wasmtime::component::{Component, HasSelf, Linker};

use super::{
    beside::{Beside, Candidate, Offers},
    bindings::wharf::plugin::{calls, kv, log, messages, secrets},
    cache::Cache,
    check, convert,
    engine::{MAX_MEMORY, PluginEngine, Share},
    guest::Plugin,
    host_state::HostState,
    http::HttpMemory,
    laps::{Laps, Watch},
    lifecycle::Lifecycle,
    lines::v0_1,
    pattern::Pattern,
    points::{message_templating, send_validation},
    ports::{CallFailure, KvStore},
    quarantine::{News, Quarantine},
    schema,
    slots::Slots,
    sockets,
    text::{MAX_NAME, MAX_REASON, PluginText},
    turns::Weight,
};
use crate::{config, egress::Client, files};

/// The most patterns of events of a plugin, and the most templates: every event and every request
/// is compared with them, at the gateway's expense.
const MAX_EVENTS: usize = 100;
const MAX_TEMPLATES: usize = 1000;

/// Why the plugins could not be loaded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// A required plugin cannot be used.
    #[error("plugin {name} ({file}): {reason}")]
    Plugin {
        /// The name in `gateway.toml`.
        name: String,
        /// The path where the file should be.
        file: String,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// The engine that runs plugins does not start.
    #[error("the plugin engine does not start: {0}")]
    Engine(String),
    /// Compiled code would not be safe in the folder of the cache.
    #[error("{0}; [plugins] cache names another place")]
    Cache(String),
}

/// Looks up the value of a secret by its name.
pub(super) type Secrets = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What a plugin says of itself, not yet cut and escaped.
#[derive(Debug, Clone, Default)]
pub(super) struct SelfDescription {
    pub(super) version: String,
    pub(super) description: String,
}

pub(super) struct Loader {
    engine: PluginEngine,
    linker: Linker<HostState>,
    cache: Arc<Cache>,
    slots: Slots,
    pub(super) dir: PathBuf,
    /// The most time for reading, compiling and checking one plugin, each.
    timeout: Duration,
    kv: Arc<dyn KvStore>,
    secrets: Secrets,
    news: News,
    /// Where calls wait for the candidates, and the room of the pool for one call of a candidate.
    offers: (Offers, Arc<Semaphore>),
    client: Arc<Client>,
    http_memory: HttpMemory,
}

impl Loader {
    /// A loader with room for the calls of this many plugins. Without `cache`, every plugin is
    /// compiled and nothing is stored.
    pub(super) fn new(
        settings: &config::Plugins,
        cache: Option<&Path>,
        plugins: usize,
        kv: Arc<dyn KvStore>,
        secrets: Secrets,
        news: News,
        offers: Offers,
    ) -> Result<Self, LoadError> {
        let engine =
            PluginEngine::new(plugins).map_err(|error| LoadError::Engine(format!("{error:#}")))?;
        let cache = match cache {
            Some(dir) => Cache::open(dir, &engine.engine)
                .map_err(|error| LoadError::Cache(error.to_string()))?,
            None => Cache::none(),
        };
        let linker = linker(&engine).map_err(|error| LoadError::Engine(format!("{error:#}")))?;
        let (dir, timeout) = (settings.dir.clone(), settings.load_timeout.duration());
        Ok(Self {
            slots: Slots::new(engine.shares.to_vec()),
            engine,
            linker,
            cache: Arc::new(cache),
            dir,
            timeout,
            kv,
            secrets,
            news,
            offers: (
                offers,
                Arc::new(Semaphore::new(Share::permits_of_any_call())),
            ),
            client: Arc::default(),
            http_memory: HttpMemory::default(),
        })
    }

    /// The file of an entry.
    pub(super) fn file(&self, entry: &config::Plugin) -> PathBuf {
        let named = entry.file.clone().unwrap_or_else(|| {
            let plain = format!("{}.wasm", entry.name);
            // A link or a folder counts as well, so that it is refused by its name.
            if fs::symlink_metadata(self.dir.join(&plain)).is_ok() {
                plain
            } else {
                format!("{}.wasm", entry.name.replace('-', "_"))
            }
        });
        self.dir.join(named)
    }

    pub(super) async fn load(
        &self,
        entry: &config::Plugin,
    ) -> Result<(Plugin, SelfDescription), String> {
        let (mut plugin, config, mut laps) = self.assemble(entry).await?;
        let description = self.probe(&mut plugin, config, &mut laps).await?;
        plugin.permits = self.slots.of(&entry.name)?;
        laps.log(&entry.name);
        warn_of_unread_settings(&plugin);
        Ok((plugin, description))
    }

    /// Loads the candidate of a plugin, if its entry has one. The counts of the candidate before go
    /// on if nothing has changed.
    pub(super) async fn beside(&self, live: &Plugin, before: Option<&Beside>) -> Option<Beside> {
        let entry = live.entry.of_candidate()?;
        let digest = self.digest(&entry).await;
        let before = before.and_then(|beside| beside.outcome.as_deref().ok());
        let outcome = match self.load_candidate(&entry).await {
            Ok((plugin, version)) => {
                let offers = self.offers.0.clone();
                Ok(Arc::new(Candidate::new(
                    plugin, version, live, before, offers,
                )))
            }
            Err(reason) => {
                let reason = String::from(PluginText::truncated(MAX_REASON, &reason));
                warn!(
                    plugin = entry.name,
                    reason, "the candidate cannot be used; the plugin goes on without it"
                );
                Err(reason)
            }
        };
        Some(Beside {
            file: self.file(&entry).display().to_string(),
            digest,
            outcome,
        })
    }

    async fn load_candidate(&self, entry: &config::Plugin) -> Result<(Plugin, String), String> {
        let (mut plugin, config, mut laps) = self.assemble(entry).await?;
        plugin.label = format!("{}@candidate", entry.name);
        let description = self.probe(&mut plugin, config, &mut laps).await?;
        laps.log(&plugin.label);
        if plugin.points.get::<send_validation::Exported>().is_none() {
            return Err("only answers of validators are compared, and it is none".into());
        }
        plugin.permits = Arc::clone(&self.offers.1);
        let version = PluginText::truncated(MAX_NAME, &description.version);
        Ok((plugin, version.into()))
    }

    /// Everything before the plugin's own code runs: reads, checks and compiles the file. Returns
    /// the plugin with its configuration, which it has not seen yet.
    pub(super) async fn assemble(
        &self,
        entry: &config::Plugin,
    ) -> Result<(Plugin, serde_json::Value, Laps), String> {
        let (mut watch, mut laps) = (Watch::start(), Laps::default());
        let path = self.file(entry);
        if path.parent() != Some(self.dir.as_path()) {
            return Err(
                "`file` must be the name of a file in the plugin folder, without a path".into(),
            );
        }
        // Only such files are watched, and listed as available.
        if path.extension().is_none_or(|end| end != "wasm") {
            return Err("`file` must end in .wasm".into());
        }
        let bytes = self.read(entry, path).await?;
        laps.read = watch.lap();
        let component = check::digest(&bytes);
        check::sessions(entry)?;
        check::pin(entry, &component)?;
        check::is_component(&bytes)?;
        check::size(&bytes)?;
        let http = check::http(&entry.grants)?;
        if !entry.grants.http.is_empty() {
            // Otherwise the first request would wait for it.
            let client = Arc::clone(&self.client);
            self.within("reading the machine's certificates", move || {
                client.prepare()
            })
            .await?
            .map_err(|error| format!("its requests cannot be made: {error}"))?;
        }
        check::http_requests(entry)?;
        if usize::try_from(entry.memory.0).unwrap_or(usize::MAX) > MAX_MEMORY {
            return Err(format!("memory must be at most {} MiB", MAX_MEMORY >> 20));
        }
        let (engine, cache, sha256) = (
            self.engine.engine.clone(),
            Arc::clone(&self.cache),
            component.clone(),
        );
        laps.digest = watch.lap();
        // Takes seconds when the code is not in the cache.
        let compiled = self
            .within("compiling it", move || {
                cache.component(&engine, &sha256, &bytes)
            })
            .await?;
        let compiled = compiled.map_err(|error| format!("it cannot be compiled: {error:#}"))?;
        laps.compile = watch.lap();
        let exported = check::interfaces(&self.engine.engine, &compiled)?;
        let permits_of_call = permits_of_call(&compiled)?;
        let pre = self
            .linker
            .instantiate_pre(&compiled)
            .map_err(|error| format!("it does not fit this gateway: {error:#}"))?;
        let lifecycle = check::complete(check::LIFECYCLE, Lifecycle::find(exported.line, &pre))?;
        let points = exported.points(&pre)?;
        let config = serde_json::to_value(&entry.config).map_err(|error| error.to_string())?;
        let config_json = config.to_string();
        let secret = |name: &String| {
            let value = (self.secrets)(name).ok_or_else(|| {
                format!(
                    "grants.secrets names {name}, but there is no environment variable of that name"
                )
            })?;
            Ok::<_, String>((name.clone(), value))
        };
        let plugin = Plugin {
            label: entry.name.clone(),
            engine: self.engine.clone(),
            // For the call that asks it about itself.
            permits: Arc::new(Semaphore::new(
                usize::try_from(permits_of_call).unwrap_or(usize::MAX),
            )),
            permits_of_call,
            pre,
            line: exported.line,
            lifecycle,
            points,
            config_digest: check::digest(config_json.as_bytes()),
            config: config_json.into(),
            component,
            events: vec![],
            templates: vec![],
            http,
            client: Arc::clone(&self.client),
            http_memory: self.http_memory.clone(),
            kv: Arc::clone(&self.kv),
            secrets: entry
                .grants
                .secrets
                .iter()
                .map(secret)
                .collect::<Result<_, _>>()?,
            quarantine: Quarantine::new(entry.quarantine),
            weight: Weight::default(),
            news: self.news.clone(),
            entry: entry.clone(),
            instruments: OnceLock::new(),
        };
        laps.link = watch.lap();
        Ok((plugin, config, laps))
    }

    /// SHA-256 of the file of an entry as it is now, in hex; none when it cannot be read.
    pub(super) async fn digest(&self, entry: &config::Plugin) -> Option<String> {
        let path = self.file(entry);
        let read = move || files::read(&path, check::MAX_FILE).map(|bytes| check::digest(&bytes));
        let read = self.within("reading its file", read).await;
        read.ok()?.ok()
    }

    async fn read(&self, entry: &config::Plugin, path: PathBuf) -> Result<Vec<u8>, String> {
        if entry.sha256.is_none()
            && let Some(open) = [&path, &self.dir]
                .into_iter()
                .find(|path| files::writable_by_all(path))
        {
            let plugin = &entry.name;
            warn!(plugin, path = %open.display(), "every user of this machine can replace the plugin: close it (`chmod o-w`), or pin the file by `sha256`");
        }
        let name = path.file_name().unwrap_or_default().display().to_string();
        let read = self
            .within("reading its file", move || {
                files::read(&path, check::MAX_FILE)
            })
            .await?;
        read.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                format!(
                    "the plugin folder has no file {name}; the bundled plugins are built by `cargo xtask plugins`"
                )
            }
            _ => error.to_string(),
        })
    }

    /// Does work that a file or a plugin's author could make endless, on a thread of its own. A
    /// thread cannot be ended: one that is no longer waited for works on until it is done or the
    /// process ends.
    pub(super) async fn within<T: Send + 'static>(
        &self,
        what: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, String> {
        match timeout(self.timeout, spawn_blocking(work)).await {
            Ok(done) => done.map_err(|error| format!("{what} broke off: {error}")),
            Err(_) => Err(format!(
                "{what} took longer than {:?} and is not waited for; [plugins] load_timeout gives it more time",
                self.timeout
            )),
        }
    }

    /// Asks the plugin about itself and configures it, with every capability refused. A plugin that
    /// passes has functions of the right types, so no later call fails for that.
    async fn probe(
        &self,
        plugin: &mut Plugin,
        config: serde_json::Value,
        laps: &mut Laps,
    ) -> Result<SelfDescription, String> {
        let mut watch = Watch::start();
        let text = |failure: CallFailure| format!("{}: {}", failure.kind, failure.detail);
        let info = plugin.probe(|mut call| async move {
            call.check_types()?;
            call.describe().await
        });
        let info = info
            .await
            .map_err(|failure| format!("describe failed: {}", text(failure)))?;
        if info.name != plugin.entry.name {
            return Err(format!(
                "it calls itself {:?}; `name` must be the same",
                info.name
            ));
        }
        if info.events.len() > MAX_EVENTS
            || info.events.iter().any(|pattern| pattern.len() > MAX_NAME)
        {
            return Err(format!(
                "it asks for events by {} patterns; at most {MAX_EVENTS} of {MAX_NAME} bytes each are compared with every event",
                info.events.len()
            ));
        }
        laps.describe = watch.lap();
        let schema = info.config_schema;
        self.within("checking its config", move || {
            schema::check(schema.as_deref(), &config)
        })
        .await??;
        laps.schema = watch.lap();
        let configured = plugin.probe(|mut call| async move {
            let answer = call.configure().await?;
            let templates = if answer.is_ok() {
                message_templating::templates(&mut call).await?
            } else {
                vec![]
            };
            Ok((answer, templates))
        });
        let (answer, templates) = configured
            .await
            .map_err(|failure| format!("configure failed: {}", text(failure)))?;
        answer.map_err(|issues| convert::issues(&issues))?;
        if templates.len() > MAX_TEMPLATES || templates.iter().any(|name| name.len() > MAX_NAME) {
            return Err(format!(
                "it has {} templates; at most {MAX_TEMPLATES} with names of {MAX_NAME} bytes each are compared with every request",
                templates.len()
            ));
        }
        laps.configure = watch.lap();
        plugin.templates = templates;
        plugin.events = info
            .events
            .iter()
            .map(|pattern| Pattern::new(pattern))
            .collect();
        Ok(SelfDescription {
            version: info.version,
            description: info.description,
        })
    }
}

/// The permits that each call of the component takes.
fn permits_of_call(compiled: &Component) -> Result<u32, String> {
    let needed = compiled
        .resources_required()
        .ok_or("it imports core modules, which this gateway does not provide")?;
    Share::permits_of_call(needed.num_memories, needed.num_tables)
}

/// Warns of settings that no extension point of the plugin reads: the operator expects an effect
/// that they do not have.
fn warn_of_unread_settings(plugin: &Plugin) {
    for setting in check::unread_settings(&plugin.entry, &plugin.points) {
        let (plugin, setting) = (&plugin.entry.name, setting.key());
        warn!(
            plugin,
            setting,
            "the setting has no effect: the plugin exports no extension point that reads it"
        );
    }
}

fn linker(engine: &PluginEngine) -> wasmtime::Result<Linker<HostState>> {
    let mut linker = Linker::<HostState>::new(&engine.engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    sockets::refuse(&mut linker)?;
    calls::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    messages::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    log::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    kv::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    secrets::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    v0_1::add_to_linker(&mut linker)?;
    Ok(linker)
}
