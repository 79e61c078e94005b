//! The key-value storage of plugins, as operators read and change it.
//!
//! A write must fit the plugin's grant: the namespace that the plugin reads, and its quota. What an
//! earlier grant has left in another namespace can still be read and deleted, but not written,
//! because no plugin would ever see it.

use std::{collections::BTreeMap, fmt::Debug, sync::Arc, time::Duration};

use async_trait::async_trait;

use super::view::Restricted;
pub use crate::store::{KvKey, KvUsage, KvValue};
use crate::{
    config,
    model::ClientId,
    plugins::{KvError, KvSpace, KvStore, PluginHost},
    store::{Store, StoreError},
};

/// A namespace of a plugin's storage: that of a session; none for the one of all sessions.
pub type Namespace = Option<ClientId>;

/// What a key must be before it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Anything.
    Any,
    /// It must not exist.
    Absent,
    /// It must have this version.
    Version(u64),
}

/// The storage that a plugin is granted, and what it uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageOverview {
    /// The grant; none if the plugin has no `kv` grant, or no entry in the configuration any more.
    pub grant: Option<StorageGrant>,
    /// The namespaces that have keys.
    pub namespaces: Vec<KvUsage>,
}

/// The grant `kv` of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageGrant {
    /// The most bytes of keys and values in each namespace.
    pub quota: u64,
    /// Whether all sessions share one namespace.
    pub shared: bool,
    /// The sessions that the plugin works for, or `*`.
    sessions: Vec<String>,
}

/// Why an operator's request to a plugin's storage has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StorageFailure {
    /// No entry has this name, and nothing is stored under it.
    #[error("there is no plugin {0:?}, and nothing is stored under this name")]
    UnknownPlugin(String),
    /// The plugin would never see what is written.
    #[error("{0}")]
    NotGranted(String),
    /// The key is empty or has more than 512 bytes, or the value has more than 1 MiB.
    #[error("a key has 1 to 512 bytes, and a value at most 1 MiB")]
    TooLarge,
    /// The namespace has no room for the value.
    #[error("the value does not fit: keys and values of the namespace may have {0} bytes")]
    QuotaExceeded(u64),
    /// The key is not as expected.
    #[error("the key was not written: {0}")]
    Unexpected(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The storage of plugins, as API callers see it.
#[async_trait]
pub trait PluginStorage: Send + Sync + Debug + 'static {
    /// The grant of a plugin and its namespaces that have keys.
    async fn overview(&self, plugin: &str) -> Result<StorageOverview, StorageFailure>;

    /// At most `limit` keys after `after` that begin with `prefix`, in byte order.
    async fn keys(
        &self,
        plugin: &str,
        namespace: &Namespace,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<KvKey>, StorageFailure>;

    /// A key with its value; none if it does not exist.
    async fn get(
        &self,
        plugin: &str,
        namespace: &Namespace,
        key: &str,
    ) -> Result<Option<KvValue>, StorageFailure>;

    /// Writes a key, which expires after `ttl`.
    async fn set(
        &self,
        plugin: &str,
        namespace: &Namespace,
        key: &str,
        expected: Expected,
        value: &[u8],
        ttl: Option<Duration>,
    ) -> Result<(), StorageFailure>;

    /// Deletes a key. False if it does not exist.
    async fn delete(
        &self,
        plugin: &str,
        namespace: &Namespace,
        key: &str,
    ) -> Result<bool, StorageFailure>;
}

/// The storage in the gateway's database. The grants are those of the entries that are in use,
/// which a reload exchanges; of plugins that are not loaded, those of the start.
#[derive(Debug)]
pub struct StoredPluginData {
    store: Store,
    plugins: Arc<PluginHost>,
    /// The entries of the start, also of plugins that are disabled or could not be loaded.
    at_start: BTreeMap<String, Option<StorageGrant>>,
}

fn granted(entry: &config::Plugin) -> Option<StorageGrant> {
    entry.grants.kv.map(|quota| StorageGrant {
        quota: quota.0,
        shared: entry.grants.kv_shared,
        sessions: entry.sessions.clone(),
    })
}

impl StoredPluginData {
    /// The storage of the plugins that have these entries, or are loaded later.
    #[must_use]
    pub fn new(store: Store, plugins: Arc<PluginHost>, entries: &[config::Plugin]) -> Self {
        let at_start = entries
            .iter()
            .map(|entry| (entry.name.clone(), granted(entry)));
        Self {
            store,
            plugins,
            at_start: at_start.collect(),
        }
    }

    /// The grant of a plugin; none if it has no entry.
    fn grant(&self, plugin: &str) -> Option<Option<StorageGrant>> {
        match self.plugins.entry(plugin) {
            Some(entry) => Some(granted(&entry)),
            None => self.at_start.get(plugin).cloned(),
        }
    }

    /// Whether the plugin works for a session: by its switch there, or else by its entry.
    fn serves(&self, plugin: &str, session: &ClientId, grant: &StorageGrant) -> bool {
        let loaded = self.plugins.entry(plugin).is_some();
        let serving = self.plugins.serving(session).into_iter();
        let mut serving = serving.filter(|one| loaded && one.plugin == plugin);
        serving.next().map_or_else(
            || {
                grant
                    .sessions
                    .iter()
                    .any(|known| known == "*" || known == session.as_str())
            },
            |one| one.serves,
        )
    }

    /// Checks that the plugin has an entry or has stored something.
    async fn known(&self, plugin: &str) -> Result<Vec<KvUsage>, StorageFailure> {
        let namespaces = self.store.kv_usage(plugin).await?;
        if namespaces.is_empty() && self.grant(plugin).is_none() {
            return Err(StorageFailure::UnknownPlugin(plugin.to_owned()));
        }
        Ok(namespaces)
    }

    /// The namespace as the plugin writes to it, if it is one that the plugin reads.
    async fn writable(
        &self,
        plugin: &str,
        namespace: &Namespace,
    ) -> Result<KvSpace, StorageFailure> {
        let refused = |why: String| Err(StorageFailure::NotGranted(why));
        let Some(Some(grant)) = self.grant(plugin) else {
            self.known(plugin).await?;
            return refused(format!(
                "the plugin {plugin} has no storage; its entry needs grants = {{ kv = \"1MiB\" }}"
            ));
        };
        match namespace {
            Some(session) if grant.shared => {
                return refused(format!(
                    "the plugin {plugin} has one namespace for all sessions (kv_shared = true), so it would not see a key of the session {session}; expected shared=true"
                ));
            }
            None if !grant.shared => {
                return refused(format!(
                    "the plugin {plugin} has one namespace for each session, so it would not see a shared key; expected session=<id>"
                ));
            }
            Some(session) if !self.serves(plugin, session, &grant) => {
                return refused(format!(
                    "the plugin {plugin} does not work for the session {session}; its entry has sessions = {:?}, and PUT /v1/sessions/{session}/plugins/{plugin} switches it on for that session",
                    grant.sessions
                ));
            }
            _ => {}
        }
        Ok(KvSpace {
            plugin: plugin.to_owned(),
            session: namespace.clone(),
            quota: grant.quota,
        })
    }
}

#[async_trait]
impl PluginStorage for StoredPluginData {
    async fn overview(&self, plugin: &str) -> Result<StorageOverview, StorageFailure> {
        let namespaces = self.known(plugin).await?;
        Ok(StorageOverview {
            grant: self.grant(plugin).flatten(),
            namespaces,
        })
    }

    async fn keys(
        &self,
        plugin: &str,
        namespace: &Namespace,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<KvKey>, StorageFailure> {
        self.known(plugin).await?;
        let keys = self
            .store
            .kv_keys(plugin, namespace.as_ref(), prefix, after, limit);
        Ok(keys.await?)
    }

    async fn get(
        &self,
        plugin: &str,
        namespace: &Namespace,
        key: &str,
    ) -> Result<Option<KvValue>, StorageFailure> {
        self.known(plugin).await?;
        Ok(self.store.kv_entry(plugin, namespace.as_ref(), key).await?)
    }

    async fn set(
        &self,
        plugin: &str,
        namespace: &Namespace,
        key: &str,
        expected: Expected,
        value: &[u8],
        ttl: Option<Duration>,
    ) -> Result<(), StorageFailure> {
        let space = self.writable(plugin, namespace).await?;
        let condition = match expected {
            Expected::Any => None,
            Expected::Absent => Some(None),
            Expected::Version(version) => Some(Some(version)),
        };
        match self.store.set(&space, key, condition, value, ttl).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(StorageFailure::Unexpected(match expected {
                Expected::Version(version) => {
                    format!("it does not have the version {version}; read it again")
                }
                _ => "it exists already".into(),
            })),
            Err(KvError::TooLarge) => Err(StorageFailure::TooLarge),
            Err(KvError::QuotaExceeded) => Err(StorageFailure::QuotaExceeded(space.quota)),
            Err(KvError::Unavailable(reason)) => Err(StoreError::Database(reason).into()),
        }
    }

    async fn delete(
        &self,
        plugin: &str,
        namespace: &Namespace,
        key: &str,
    ) -> Result<bool, StorageFailure> {
        let found = self.get(plugin, namespace, key).await?.is_some();
        if found {
            let space = KvSpace {
                plugin: plugin.to_owned(),
                session: namespace.clone(),
                quota: 0,
            };
            let deleted = self.store.delete(&space, key).await;
            deleted.map_err(|error| StoreError::Database(error.to_string()))?;
        }
        Ok(found)
    }
}

impl Restricted<dyn PluginStorage> {
    /// The storage for a key that sees every session. For any other key no plugin exists, because
    /// what a plugin stores may concern every session.
    fn whole(&self, plugin: &str) -> Result<&Arc<dyn PluginStorage>, StorageFailure> {
        if self.view.sees_all() {
            Ok(&self.whole)
        } else {
            Err(StorageFailure::UnknownPlugin(plugin.to_owned()))
        }
    }
}

#[async_trait]
impl PluginStorage for Restricted<dyn PluginStorage> {
    async fn overview(&self, plugin: &str) -> Result<StorageOverview, StorageFailure> {
        self.whole(plugin)?.overview(plugin).await
    }

    async fn keys(
        &self,
        plugin: &str,
        namespace: &Namespace,
        prefix: &str,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<KvKey>, StorageFailure> {
        let whole = self.whole(plugin)?;
        whole.keys(plugin, namespace, prefix, after, limit).await
    }

    async fn get(
        &self,
        plugin: &str,
        namespace: &Namespace,
        key: &str,
    ) -> Result<Option<KvValue>, StorageFailure> {
        self.whole(plugin)?.get(plugin, namespace, key).await
    }

    async fn set(
        &self,
        plugin: &str,
        namespace: &Namespace,
        key: &str,
        expected: Expected,
        value: &[u8],
        ttl: Option<Duration>,
    ) -> Result<(), StorageFailure> {
        let whole = self.whole(plugin)?;
        whole
            .set(plugin, namespace, key, expected, value, ttl)
            .await
    }

    async fn delete(
        &self,
        plugin: &str,
        namespace: &Namespace,
        key: &str,
    ) -> Result<bool, StorageFailure> {
        self.whole(plugin)?.delete(plugin, namespace, key).await
    }
}
