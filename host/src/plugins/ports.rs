//! The types that all extension points share with other modules, and the storage that plugins need
//! from them.
//!
//! Plain values and traits without wasmtime. The types of a single extension point are in its file
//! below `points/`. `store` implements [`KvStore`] and knows nothing of wasm instances.

use std::{fmt::Debug, time::Duration};

use async_trait::async_trait;

use super::text::PluginText;
use crate::model::ClientId;

/// What a call is about.
#[derive(Debug, Clone)]
pub struct Subject {
    /// The session that the call concerns.
    pub session: ClientId,
    /// The outbox id or the delivery id. It is the same on every attempt.
    pub id: String,
    /// The number of the attempt, from 1.
    pub attempt: u32,
}

/// A plugin that could not be asked because the gateway itself lacks room. A later call may
/// succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the plugin {plugin} could not be asked: {reason}; try again")]
pub struct Busy {
    /// The plugin.
    pub plugin: String,
    /// What the gateway lacks.
    pub reason: PluginText,
}

/// A failure of the plugin itself, never a business decision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("plugin {plugin} {kind}: {detail}")]
pub struct CallFailure {
    /// The plugin.
    pub plugin: String,
    /// The kind of the failure.
    pub kind: FailureKind,
    /// A description for people.
    pub detail: PluginText,
}

/// How a plugin call can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The plugin returned an error, or an answer that it may not give.
    Failed,
    /// It trapped: a panic, an out-of-bounds access, an endless recursion.
    Trapped,
    /// It used more CPU time than it may (`cpu`).
    OverCpu,
    /// It asked for more memory than it may have (`memory`).
    OverMemory,
    /// It took longer than it may (`timeout`).
    TimedOut,
    /// The gateway had no room for the call, or its storage did not answer: no fault of the plugin.
    Busy,
    /// The gateway could not call it.
    Host,
    /// It was not called, because it has failed too often (`quarantine`).
    Quarantined,
}

impl FailureKind {
    /// The name in verdicts and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Trapped => "trapped",
            Self::OverCpu => "over_cpu",
            Self::OverMemory => "over_memory",
            Self::TimedOut => "timed_out",
            Self::Busy => "busy",
            Self::Host => "host",
            Self::Quarantined => "quarantined",
        }
    }
}

impl std::fmt::Display for FailureKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Durable key-value storage, one namespace per plugin and session (or per plugin).
#[async_trait]
pub trait KvStore: Send + Sync + Debug {
    /// The value of a key and its version; none when the key does not exist.
    async fn get(&self, space: &KvSpace, key: &str) -> Result<Option<(Vec<u8>, u64)>, KvError>;

    /// Writes a key. `expected`: `None` writes always, `Some(None)` only when the key does not
    /// exist, `Some(Some(v))` only over that version. False when nothing was written, because the
    /// expectation did not hold. `ttl` counts from now.
    async fn set(
        &self,
        space: &KvSpace,
        key: &str,
        expected: Option<Option<u64>>,
        value: &[u8],
        ttl: Option<Duration>,
    ) -> Result<bool, KvError>;

    /// Deletes a key. A missing one is no error.
    async fn delete(&self, space: &KvSpace, key: &str) -> Result<(), KvError>;

    /// At most `limit` keys after `cursor` that begin with `prefix`, in byte order.
    async fn list(
        &self,
        space: &KvSpace,
        prefix: &str,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, KvError>;
}

/// Keeps the configurations of validators, so that their decisions can be made again later.
#[async_trait]
pub trait ConfigStore: Send + Sync + Debug {
    /// Keeps a configuration that a plugin is loaded with. An error says why that failed.
    async fn keep_config(&self, digest: &str, config: &str) -> Result<(), String>;
}

/// A namespace of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvSpace {
    /// The plugin.
    pub plugin: String,
    /// The session; none for the one namespace of all sessions (`kv_shared`).
    pub session: Option<ClientId>,
    /// The most bytes of keys and values in the namespace.
    pub quota: u64,
}

/// Why a key could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KvError {
    /// The namespace is full.
    #[error("the namespace is full")]
    QuotaExceeded,
    /// The key has more than 512 bytes or the value more than 1 MiB.
    #[error("the key or the value is too large")]
    TooLarge,
    /// The database failed.
    #[error("the database: {0}")]
    Unavailable(String),
}
