//! Plugins: what is loaded, reloads while the gateway runs, and for which sessions each works.

use std::{fmt, fmt::Debug, sync::Arc};

use async_trait::async_trait;
use tokio::{sync::Mutex, task::JoinError};
use tracing::info;

use super::{
    registry::{Registry, SessionFailure},
    view::Restricted,
};
use crate::{
    config,
    model::ClientId,
    plugins::{CandidateStatus, PluginHost, PluginStatus, ReloadError, Reloaded, Serving},
    store::{Store, StoreError},
};

pub use crate::store::StoredDifference;

/// Reads the entries of the operator's file anew.
pub type ReadEntries = dyn Fn() -> Result<Vec<config::Plugin>, String> + Send + Sync;

/// Why a call about plugins failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PluginFailure {
    /// There is no plugin of this name.
    #[error(
        "there is no plugin {0:?}: gateway.toml has no [[plugin]] entry of that name, and none is loaded"
    )]
    Unknown(String),
    /// The plugin was not reloaded.
    #[error(transparent)]
    Reload(ReloadError),
    /// The session does not exist, or the database failed.
    #[error(transparent)]
    Session(#[from] SessionFailure),
    /// The plugin has no candidate.
    #[error(
        "the plugin {0} has no candidate: its [[plugin]] entry in gateway.toml needs candidate = {{ file = \"…\" }}, and then a reload"
    )]
    NoCandidate(String),
    /// The work broke off.
    #[error("{0}")]
    Failed(String),
}

impl From<StoreError> for PluginFailure {
    fn from(error: StoreError) -> Self {
        Self::Session(error.into())
    }
}

impl From<ReloadError> for PluginFailure {
    fn from(error: ReloadError) -> Self {
        match error {
            ReloadError::Unknown(name) => Self::Unknown(name),
            error => Self::Reload(error),
        }
    }
}

/// The plugins, as API callers see them.
#[async_trait]
pub trait Plugins: Send + Sync + Debug + 'static {
    /// Every plugin as it is now, in the order of the entries.
    fn all(&self) -> Vec<PluginStatus>;

    /// Loads a plugin anew from its file and its entry.
    async fn reload(&self, plugin: &str) -> Result<Reloaded, PluginFailure>;

    /// The candidate of a plugin, and what was counted of it.
    fn candidate(&self, plugin: &str) -> Result<CandidateStatus, PluginFailure>;

    /// At most `limit` calls that a candidate of the plugin answered otherwise, newest first, older
    /// than the one with the number `before`.
    async fn differences(
        &self,
        plugin: &str,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<StoredDifference>, PluginFailure>;

    /// Whether each plugin serves a session, and why.
    fn of_session(&self, client: &ClientId) -> Result<Vec<Serving>, PluginFailure>;

    /// Switches a plugin on or off for a session, whatever its entry says, or takes that back.
    async fn switch(
        &self,
        client: &ClientId,
        plugin: &str,
        enabled: Option<bool>,
    ) -> Result<Serving, PluginFailure>;
}

/// The plugins of the running gateway. Cheap to clone.
#[derive(Clone)]
pub struct HostPlugins {
    host: Arc<PluginHost>,
    registry: Arc<Registry>,
    store: Store,
    read: Arc<ReadEntries>,
    /// Held while a switch is stored and applied, so that both get the last one.
    switching: Arc<Mutex<()>>,
}

impl Debug for HostPlugins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostPlugins")
            .field("host", &self.host)
            .finish_non_exhaustive()
    }
}

impl HostPlugins {
    /// The plugins of `host` for the sessions of `registry`. Switches are stored in `store`, and
    /// `read` reads the operator's entries.
    #[must_use]
    pub fn new(
        host: Arc<PluginHost>,
        registry: Arc<Registry>,
        store: Store,
        read: Arc<ReadEntries>,
    ) -> Self {
        Self {
            host,
            registry,
            store,
            read,
            switching: Arc::default(),
        }
    }

    /// The plugins themselves.
    #[must_use]
    pub fn host(&self) -> Arc<PluginHost> {
        Arc::clone(&self.host)
    }

    fn serving(&self, client: &ClientId, plugin: &str) -> Option<Serving> {
        let mut all = self.host.serving(client).into_iter();
        all.find(|serving| serving.plugin == plugin)
    }

    /// What is known of the plugin of this name.
    fn status(&self, plugin: &str) -> Result<PluginStatus, PluginFailure> {
        let mut all = self.host.statuses().into_iter();
        all.find(|status| status.report.name == plugin)
            .ok_or_else(|| PluginFailure::Unknown(plugin.to_owned()))
    }

    async fn switch_in_turn(
        &self,
        client: &ClientId,
        plugin: &str,
        enabled: Option<bool>,
    ) -> Result<Serving, PluginFailure> {
        let _turn = self.switching.lock().await;
        self.registry.known(client)?;
        let before = self
            .serving(client, plugin)
            .ok_or_else(|| PluginFailure::Unknown(plugin.to_owned()))?;
        self.store.switch_plugin(client, plugin, enabled).await?;
        self.host.set_switch(client, plugin, enabled);
        info!(%client, plugin, ?enabled, "plugin switched for a session");
        // A plugin without an entry is only known by the switch that was just taken back.
        Ok(self.serving(client, plugin).unwrap_or(Serving {
            serves: false,
            switch: None,
            ..before
        }))
    }
}

fn broke_off(error: JoinError) -> PluginFailure {
    match error.try_into_panic() {
        // The API answers it as a panic of the request itself.
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(error) => PluginFailure::Failed(error.to_string()),
    }
}

// Changes are made in tasks of their own: a client that disconnects ends its request wherever it
// waits.
#[async_trait]
impl Plugins for HostPlugins {
    fn all(&self) -> Vec<PluginStatus> {
        self.host.statuses()
    }

    async fn reload(&self, plugin: &str) -> Result<Reloaded, PluginFailure> {
        let (host, read, plugin) = (
            Arc::clone(&self.host),
            Arc::clone(&self.read),
            plugin.to_owned(),
        );
        let done = tokio::spawn(async move { host.reload(&plugin, move || read()).await })
            .await
            .map_err(broke_off)?;
        Ok(done?)
    }

    fn candidate(&self, plugin: &str) -> Result<CandidateStatus, PluginFailure> {
        let status = self.status(plugin)?;
        status
            .candidate
            .ok_or_else(|| PluginFailure::NoCandidate(plugin.to_owned()))
    }

    async fn differences(
        &self,
        plugin: &str,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<StoredDifference>, PluginFailure> {
        self.status(plugin)?;
        Ok(self.store.differences(plugin, before, limit).await?)
    }

    fn of_session(&self, client: &ClientId) -> Result<Vec<Serving>, PluginFailure> {
        self.registry.known(client)?;
        Ok(self.host.serving(client))
    }

    async fn switch(
        &self,
        client: &ClientId,
        plugin: &str,
        enabled: Option<bool>,
    ) -> Result<Serving, PluginFailure> {
        let (all, client, plugin) = (self.clone(), client.clone(), plugin.to_owned());
        tokio::spawn(async move { all.switch_in_turn(&client, &plugin, enabled).await })
            .await
            .map_err(broke_off)?
    }
}

#[async_trait]
impl Plugins for Restricted<dyn Plugins> {
    fn all(&self) -> Vec<PluginStatus> {
        if self.view.sees_all() {
            self.whole.all()
        } else {
            vec![]
        }
    }

    async fn reload(&self, plugin: &str) -> Result<Reloaded, PluginFailure> {
        if self.view.sees_all() {
            self.whole.reload(plugin).await
        } else {
            Err(PluginFailure::Unknown(plugin.to_owned()))
        }
    }

    fn candidate(&self, plugin: &str) -> Result<CandidateStatus, PluginFailure> {
        if self.view.sees_all() {
            self.whole.candidate(plugin)
        } else {
            Err(PluginFailure::Unknown(plugin.to_owned()))
        }
    }

    async fn differences(
        &self,
        plugin: &str,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Vec<StoredDifference>, PluginFailure> {
        if self.view.sees_all() {
            self.whole.differences(plugin, before, limit).await
        } else {
            Err(PluginFailure::Unknown(plugin.to_owned()))
        }
    }

    fn of_session(&self, client: &ClientId) -> Result<Vec<Serving>, PluginFailure> {
        self.view.session(client)?;
        self.whole.of_session(client)
    }

    async fn switch(
        &self,
        client: &ClientId,
        plugin: &str,
        enabled: Option<bool>,
    ) -> Result<Serving, PluginFailure> {
        self.view.session(client)?;
        self.whole.switch(client, plugin, enabled).await
    }
}
