//! What other rooms ask of the plugins, and what the plugins ask of other rooms.
//!
//! Plain values and traits: `outbox` and `events` see [`Pipeline`] and [`Notifiers`], never wasmtime;
//! `store` implements [`KvStore`], and never sees a guest.

use std::{collections::BTreeMap, fmt::Debug, time::Duration};

use async_trait::async_trait;
use serde::Serialize;

use super::said::{Code, Said, TargetName};
use crate::model::{ClientId, Content, Envelope, OutboundMessage};

/// What a call is about.
#[derive(Debug, Clone)]
pub struct Subject {
    /// Whose.
    pub session: ClientId,
    /// Outbox id or delivery id: the same on every attempt.
    pub id: String,
    /// W3C `traceparent`, or empty.
    pub traceparent: String,
    /// 1 for the first try.
    pub attempt: u32,
}

/// Decides about outgoing messages.
#[async_trait]
pub trait Pipeline: Send + Sync + Debug {
    /// Asks every validator in order. The first refusal ends it; a change feeds the next.
    async fn validate(&self, subject: &Subject, message: OutboundMessage) -> Decision;

    /// Renders a template of the first plugin that has it.
    async fn render(&self, subject: &Subject, request: &RenderRequest) -> Result<Content, RenderFailure>;
}

/// What the validators made of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// It may leave, as it is now; with the verdicts on the way.
    Allow(OutboundMessage, Vec<Verdict>),
    /// It may not; the last verdict says why.
    Reject(Rejection, Vec<Verdict>),
    /// A plugin could not be asked: the gateway itself lacks room. Neither allowed nor refused, whatever `on_error` says.
    Busy(Busy, Vec<Verdict>),
}

/// A plugin that could not be asked for want of room in the gateway. Asking again later may help.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the plugin {plugin} could not be asked: {reason}; try again")]
pub struct Busy {
    /// The plugin.
    pub plugin: String,
    /// What was short.
    pub reason: Said,
}

/// A refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejection {
    /// The plugin.
    pub plugin: String,
    /// Its code, or `plugin_failed` when the plugin itself failed and `on_error = "reject"`.
    pub code: Code,
    /// For people.
    pub reason: Said,
    /// When it may be tried again.
    pub retry_after: Option<Duration>,
}

/// One plugin's word about one message, as it is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The plugin.
    pub plugin: String,
    /// SHA-256 of the component, hex.
    pub component: String,
    /// `allow`, `reject`, `modify`, or how the call failed (`trapped`, `over_cpu`, `over_memory`, `timed_out`, `failed`, `busy`,
    /// `host`). A plugin that is only watched says `would_reject` and `would_modify`.
    pub verdict: &'static str,
    /// The plugin is only watched (`mode = "monitor"`): whatever its verdict, it changed nothing.
    pub monitored: bool,
    /// The rejection's code or the failure's words.
    pub detail: Option<Said>,
    /// The rejection's reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Said>,
    /// Wall time of the call in microseconds.
    pub micros: u64,
}

/// A template and its variables.
#[derive(Debug, Clone, PartialEq)]
pub struct RenderRequest {
    /// Its name.
    pub template: String,
    /// BCP 47.
    pub locale: Option<String>,
    /// By name.
    pub variables: BTreeMap<String, serde_json::Value>,
}

/// Why nothing was rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RenderFailure {
    /// No plugin has it.
    #[error("no plugin has a template called {template:?}; there are: {known:?}")]
    UnknownTemplate {
        /// As asked.
        template: String,
        /// What there is.
        known: Vec<Said>,
    },
    /// A required variable was not given.
    #[error("template {template:?} needs the variable {variable:?}")]
    MissingVariable {
        /// As asked.
        template: String,
        /// Its name.
        variable: Said,
    },
    /// A variable has the wrong type or value.
    #[error("variable {variable:?} of template {template:?}: {reason}")]
    BadVariable {
        /// As asked.
        template: String,
        /// Its name.
        variable: Said,
        /// What would be right.
        reason: Said,
    },
    /// The plugin could not be asked for want of room in the gateway.
    #[error(transparent)]
    Busy(Busy),
    /// The plugin itself failed.
    #[error("plugin {plugin} could not render {template:?}: {reason}")]
    Failed {
        /// Which.
        plugin: String,
        /// As asked.
        template: String,
        /// How.
        reason: Said,
    },
}

/// Says who is told of an event, and how the call looks.
#[async_trait]
pub trait Notifiers: Send + Sync + Debug {
    /// The notifiers that want this event for this session, by name.
    fn interested(&self, envelope: &Envelope) -> Vec<String>;

    /// The targets of one notifier for this event.
    async fn route(&self, plugin: &str, subject: &Subject, envelope: &Envelope) -> Result<Vec<TargetName>, CallFailure>;

    /// Shapes the call for one target; asked again for every attempt.
    async fn request(&self, plugin: &str, subject: &Subject, target: &str, envelope: &Envelope) -> Result<NotifyRequest, CallFailure>;

    /// Says what an attempt means.
    async fn judge(&self, plugin: &str, subject: &Subject, target: &str, attempt: &AttemptResult) -> Result<Judgement, CallFailure>;
}

/// One HTTP call, shaped by a plugin and made by the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifyRequest {
    /// E.g. `POST`.
    pub method: String,
    /// Absolute.
    pub url: String,
    /// As they go out.
    pub headers: Vec<(String, String)>,
    /// As it goes out.
    pub body: Vec<u8>,
    /// The plugin's wish; the operator's limit wins.
    pub timeout: Option<Duration>,
    /// What the operator allows this plugin to call.
    pub allowed: HttpGrant,
}

/// `grants.http` and `grants.http_private` of a plugin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpGrant {
    /// `scheme://host[:port]`, lower case, with the port always given.
    pub origins: Vec<String>,
    /// Whether an origin may lie in a private network.
    pub private: bool,
}

/// What came of an HTTP call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptResult {
    /// The receiver answered.
    Answered {
        /// HTTP status.
        status: u16,
        /// Of the answer.
        headers: Vec<(String, String)>,
        /// The first bytes of it.
        body: Vec<u8>,
    },
    /// DNS, connect, TLS, time-out, or refused by the grants.
    Unreachable(String),
}

/// What an attempt means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// Done.
    Delivered,
    /// Again, no sooner than this.
    RetryAfter(Duration),
    /// Never.
    GiveUp(Said),
}

/// A failure of the plugin itself, never a business decision.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("plugin {plugin} {kind}: {detail}")]
pub struct CallFailure {
    /// Which.
    pub plugin: String,
    /// How, as a closed set.
    pub kind: FailureKind,
    /// For people.
    pub detail: Said,
}

/// How a plugin call can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// The plugin answered with an error of its own; true when a later try may help.
    Failed {
        /// `unavailable`, as opposed to `invalid-input`, `not-granted`, `internal`.
        transient: bool,
    },
    /// It trapped: a panic, an out-of-bounds access, an endless recursion.
    Trapped,
    /// It used up its CPU time.
    OverCpu,
    /// It asked for more memory than it may have.
    OverMemory,
    /// It took too long.
    TimedOut,
    /// The gateway had no room for the call, or its storage did not answer: no fault of the plugin.
    Busy,
    /// The host could not call it.
    Host,
}

impl FailureKind {
    /// The name in verdicts and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed { .. } => "failed",
            Self::Trapped => "trapped",
            Self::OverCpu => "over_cpu",
            Self::OverMemory => "over_memory",
            Self::TimedOut => "timed_out",
            Self::Busy => "busy",
            Self::Host => "host",
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
    /// The value and its version.
    async fn get(&self, space: &KvSpace, key: &str) -> Result<Option<(Vec<u8>, u64)>, KvError>;

    /// Writes. `expected`: `None` writes always, `Some(None)` only when the key does not exist, `Some(Some(v))`
    /// only over that version. False when the expectation did not hold. `ttl` counts from now.
    async fn set(&self, space: &KvSpace, key: &str, expected: Option<Option<u64>>, value: &[u8], ttl: Option<Duration>) -> Result<bool, KvError>;

    /// Deletes; a missing key is no error.
    async fn delete(&self, space: &KvSpace, key: &str) -> Result<(), KvError>;

    /// At most `limit` keys after `cursor` that begin with `prefix`, in byte order.
    async fn list(&self, space: &KvSpace, prefix: &str, cursor: Option<&str>, limit: u32) -> Result<Vec<String>, KvError>;
}

/// Whose keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvSpace {
    /// The plugin.
    pub plugin: String,
    /// The session; none for the namespace across sessions.
    pub session: Option<ClientId>,
    /// Bytes of keys and values the whole namespace may hold.
    pub quota: u64,
}

/// Why storage refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KvError {
    /// The namespace is full.
    #[error("the namespace is full")]
    QuotaExceeded,
    /// Key over 512 bytes or value over 1 MiB.
    #[error("the key or the value is too large")]
    TooLarge,
    /// The database.
    #[error("the database: {0}")]
    Unavailable(String),
}
