//! The composition root: builds the parts of the gateway, connects them, starts and stops them. No
//! other room knows all rooms.

pub mod candidate;
pub mod check;
mod command;
pub mod deliveries;
pub mod doctor;
#[cfg(test)]
mod fake;
pub mod health;
mod instance;
mod journal;
pub mod kv;
mod local;
mod places;
mod plugin_life;
pub mod profiles;
pub mod replay;
mod terminal;
#[cfg(test)]
mod tests;
mod upkeep;

use std::{
    collections::BTreeMap,
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

pub use self::instance::InstanceError;
use self::{instance::Instance, journal::GatewayJournal};
use crate::{
    api,
    browser::{Guard, SharedBrowser},
    config::{BrowserMode, Config, PacingOverride, Sources},
    events::Events,
    files::Exposed,
    model::ClientId,
    outbox::Outbox,
    plugins::{LoadError, PluginHost},
    services::{
        EventDeliveries, GatewayMaintenance, HelperAddress, HostPlugins, OutboxBulkOrders,
        OutboxHeld, OutboxMessages, OutboxSending, OutboxSends, Registry, RegistrySessions,
        Services, SessionLinking, SessionPasskeys, StoredPluginData,
    },
    session::{self, ProfileProblem, SessionHandle},
    store::{Store, StoreError},
    whatsapp::{ChromiumLauncher, LaunchError},
};

/// How long a stop waits for the database, after `[server] shutdown`. Queued writes take less unless
/// the disk hangs. With the default `shutdown` of 30 s, the stop stays within the 45 s after which
/// the units in `deploy/` let the process be killed.
const CLOSE: Duration = Duration::from_secs(5);

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The session path cannot be created or written.
    #[error("the session path {path} cannot be used: {error}")]
    SessionPath {
        /// The directory.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// Other users can read or change something that must be private.
    #[error(transparent)]
    Exposed(#[from] Exposed),
    /// Another gateway uses the session path or the database.
    #[error(transparent)]
    Instance(#[from] InstanceError),
    /// The database cannot be opened or read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A required plugin cannot be loaded.
    #[error(transparent)]
    Plugins(#[from] LoadError),
    /// The address cannot be bound.
    #[error(
        "cannot listen on {address}: {error}; is another gateway running, or set [server] port"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's error.
        error: io::Error,
    },
    /// The path of this program, which is needed to start the guard of Chromium, cannot be
    /// determined.
    #[error("the path of this program cannot be determined: {0}")]
    CurrentExe(io::Error),
}

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    address: SocketAddr,
    sessions: Arc<Registry>,
    store: Store,
    stop: CancellationToken,
    server: JoinHandle<io::Result<()>>,
    tasks: Vec<JoinHandle<()>>,
    budget: Duration,
    /// Released after everything else has stopped.
    instance: Instance,
}

impl Gateway {
    /// Starts all parts. Sessions start in the background: the API answers at once.
    ///
    /// # Errors
    /// See [`StartError`].
    pub async fn start(
        config: Config,
        sources: Arc<Sources>,
        metrics: PrometheusHandle,
    ) -> Result<Self, StartError> {
        // Must come first: other parts compute their limits from the number of descriptors.
        api::raise_descriptor_limit();
        let config = Arc::new(config);
        let root = config.sessions.path.clone();
        let database = database(&config);
        // Must come before anything is created in the folder: a folder that is refused stays
        // unchanged.
        places::check(&root, &database)?;
        session::prepare_root(&root).map_err(|error| StartError::SessionPath {
            path: root.clone(),
            error,
        })?;
        let instance = Instance::take(&root, &database).await?;
        let address = SocketAddr::new(config.server.host, config.server.port);
        let listener = TcpListener::bind(address)
            .await
            .map_err(|error| StartError::Listen { address, error })?;
        let address = listener.local_addr().unwrap_or(address);

        let store = Store::open(&database).await?;
        let plugins = load_plugins(&config, Arc::new(store.clone()), Arc::clone(&sources)).await?;
        plugin_life::restore_switches(&store, &plugins).await?;
        plugins.keep_configs_in(Arc::new(store.clone())).await;
        let events = Events::new(
            store.clone(),
            Arc::<PluginHost>::clone(&plugins),
            config.delivery.clone(),
        );
        let outbox = Outbox::new(
            store.clone(),
            Arc::<PluginHost>::clone(&plugins),
            events.clone(),
            config.send.clone(),
            pacings(&config),
        );

        let guard = Guard::current_exe().map_err(StartError::CurrentExe)?;
        let shared = (config.browser.mode == BrowserMode::Shared)
            .then(|| SharedBrowser::new(session::shared_dir(&root)));
        let launcher = ChromiumLauncher::new(
            config.whatsapp.clone(),
            config.browser.clone(),
            root.clone(),
            usable_profile,
            guard,
            shared,
        );
        let journal = GatewayJournal::new(store.clone(), outbox.clone(), events.clone());
        let helper = helper_address(&config, address);
        let show = {
            let helper = helper.clone();
            move |handle: &SessionHandle| terminal::show(handle, helper.clone())
        };
        let sessions = Registry::new(
            Arc::clone(&config),
            store.clone(),
            outbox.clone(),
            Arc::clone(&plugins),
            Arc::new(launcher),
            Arc::new(journal),
            Box::new(show),
        );
        point_out_login(&config);
        let budget = config.server.shutdown.duration();
        if let Err(error) = sessions.restore().await {
            // Some sessions may run already, and the process ends after this error. Their browsers
            // close in order first, so that a login reaches the disk.
            close_sessions(&sessions, budget / 2).await;
            store.close_within(CLOSE).await;
            return Err(error.into());
        }
        let sessions = Arc::new(sessions);
        let mut tasks = events.start();
        tasks.push(outbox.take_orders());
        tasks.extend(upkeep::start(
            store.clone(),
            Arc::clone(&config),
            Arc::clone(&sessions),
            metrics.clone(),
        ));

        let entries = plugin_life::entries(Arc::clone(&sources));
        tasks.extend(plugin_life::start(
            &config, &sources, &plugins, &events, &store, &entries,
        ));

        let of_plugins = HostPlugins::new(plugins, Arc::clone(&sessions), store.clone(), entries);
        let services = services(
            &config, &sessions, &store, outbox, events, of_plugins, metrics,
        );
        let stop = CancellationToken::new();
        let router = api::router(services, &config, helper);
        let (settings, stopping) = (config.server.clone(), stop.clone().cancelled_owned());
        let server =
            tokio::spawn(async move { api::serve(listener, router, &settings, stopping).await });
        info!(%address, sessions = sessions.all().len(), version = env!("CARGO_PKG_VERSION"), "listening");
        Ok(Self {
            address,
            sessions,
            store,
            stop,
            server,
            tasks,
            budget,
            instance,
        })
    }

    /// The address on which the API listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Resolves with the name of an essential part that has ended: the API's server, or the writer
    /// of the database. All other parts are restarted by their owners.
    pub async fn failed(&mut self) -> &'static str {
        tokio::select! {
            _ = &mut self.server => "the API's server",
            () = self.store.ended() => "the writer of the database",
        }
    }

    /// Stops the gateway in order, with time limits: refuses new calls, waits for those in flight,
    /// closes the browsers cleanly (so that logins are flushed) and closes the database. The
    /// outcome of a message that this interrupts is determined after the next start.
    pub async fn stop(self) {
        info!(budget = ?self.budget, "stopping");
        self.stop.cancel();
        let mut server = self.server;
        if !server.is_finished() && timeout(self.budget / 2, &mut server).await.is_err() {
            warn!("calls that are still in flight are aborted");
            server.abort();
        }
        close_sessions(&self.sessions, self.budget / 2).await;
        for task in &self.tasks {
            task.abort();
        }
        self.store.close_within(CLOSE).await;
        drop(self.instance);
        info!("stopped");
    }
}

/// Closes the browsers of all sessions, and waits until they have closed or the time is over.
async fn close_sessions(sessions: &Registry, limit: Duration) {
    if timeout(limit, sessions.shut_down()).await.is_err() {
        warn!("a browser did not close in time; its guard continues to close it");
    }
}

/// Builds the services that the API's handlers call.
fn services(
    config: &Config,
    sessions: &Arc<Registry>,
    store: &Store,
    outbox: Outbox,
    events: Events,
    plugins: HostPlugins,
    metrics: PrometheusHandle,
) -> Services {
    let registry = || Arc::clone(sessions);
    Services {
        sessions: Arc::new(RegistrySessions::new(
            config.sessions.clone(),
            registry(),
            store.clone(),
        )),
        linking: Arc::new(SessionLinking(registry())),
        passkeys: Arc::new(SessionPasskeys(registry())),
        sends: Arc::new(OutboxSends::new(
            registry(),
            outbox.clone(),
            config.send.timeout.duration(),
        )),
        messages: Arc::new(OutboxMessages(outbox.clone())),
        bulk: Arc::new(OutboxBulkOrders::new(registry(), outbox.clone())),
        sending: Arc::new(OutboxSending::new(registry(), outbox.clone())),
        held: Arc::new(OutboxHeld::new(registry(), outbox)),
        deliveries: Arc::new(EventDeliveries(events)),
        storage: Arc::new(StoredPluginData::new(
            store.clone(),
            plugins.host(),
            &config.plugin,
        )),
        plugins: Arc::new(plugins),
        maintenance: Arc::new(GatewayMaintenance::new(
            config.sessions.path.clone(),
            registry(),
            store.clone(),
            metrics,
        )),
    }
}

/// Warns if a session is about to show a QR although an unused login exists.
fn point_out_login(config: &Config) {
    let client = &config.sessions.default_client;
    if let Some(login) = session::profiles::unadopted(&config.sessions.path, client) {
        warn!(
            %client,
            login = %login.display(),
            "a login of whatsapp-web.js without a client id lies in the session path, and no session uses it; to use it without a scan, stop the \
             gateway, then: wharf profile quarantine {client}; wharf profile adopt {}",
            login.display()
        );
    }
}

/// The address of the passkey helper pages: `[server] public_url`, or where the API listens.
fn helper_address(config: &Config, listens: SocketAddr) -> HelperAddress {
    if let Some(url) = &config.server.public_url {
        return HelperAddress {
            base: url.trim_end_matches('/').to_owned(),
            local_only: false,
        };
    }
    let everywhere = listens.ip().is_unspecified();
    let at = if everywhere {
        SocketAddr::new(Ipv4Addr::LOCALHOST.into(), listens.port())
    } else {
        listens
    };
    HelperAddress {
        base: format!("http://{at}"),
        local_only: everywhere || listens.ip().is_loopback(),
    }
}

/// The pacing of each session that overrides `[send.pacing]`.
fn pacings(config: &Config) -> BTreeMap<ClientId, crate::config::Pacing> {
    let own = config
        .sessions
        .session
        .iter()
        .filter(|(_, session)| session.pacing != PacingOverride::default());
    own.map(|(client, session)| (client.clone(), session.pacing.over(&config.send.pacing)))
        .collect()
}

/// The file of the database.
fn database(config: &Config) -> PathBuf {
    let file = config.storage.database.clone();
    file.unwrap_or_else(|| config.sessions.path.join("wharf.db"))
}

/// The folder of compiled plugins.
fn plugin_cache(config: &Config) -> PathBuf {
    let folder = config.plugins.cache.clone();
    folder.unwrap_or_else(|| config.sessions.path.join("cache/plugins"))
}

/// Looks up the secrets that plugins are granted.
fn secrets(sources: Arc<Sources>) -> Arc<impl Fn(&str) -> Option<String> + Send + Sync> {
    Arc::new(move |name: &str| sources.get_anew(name))
}

async fn load_plugins(
    config: &Config,
    kv: Arc<dyn crate::plugins::KvStore>,
    sources: Arc<Sources>,
) -> Result<Arc<PluginHost>, LoadError> {
    let host = PluginHost::load(
        &config.plugins,
        &config.plugin,
        &plugin_cache(config),
        kv,
        secrets(sources),
    )
    .await?;
    for report in host.reports() {
        info!(plugin = report.name, version = report.version, state = %report.state, "plugin");
    }
    Ok(Arc::new(host))
}

/// Checks the profile of a session before a browser starts on it. A full disk is a temporary
/// failure; any other problem has to be solved by the operator.
fn usable_profile(root: &Path, client: &ClientId) -> Result<PathBuf, LaunchError> {
    session::check_profile(root, client).map_err(|problem| match problem {
        ProfileProblem::NoSpace { .. } => LaunchError::Failed(problem.to_string()),
        _ => LaunchError::Profile(problem.to_string()),
    })?;
    Ok(session::profile_dir(root, client))
}
