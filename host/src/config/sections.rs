//! The whole configuration, and the sections about the gateway itself. The sections about sessions
//! and sending have files of their own.

use std::path::PathBuf;

use serde::Deserialize;

use super::{
    Api, Browser, ByteSize, LogLevel, Millis, Send, Server, Sessions, WhatsApp, edge::all_sessions,
};

/// The whole configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[api]`
    pub api: Api,
    /// `[log]`
    pub log: Log,
    /// `[storage]`
    pub storage: Storage,
    /// `[whatsapp]`
    pub whatsapp: WhatsApp,
    /// `[browser]`
    pub browser: Browser,
    /// `[sessions]`
    pub sessions: Sessions,
    /// `[send]`
    pub send: Send,
    /// `[delivery]`
    pub delivery: Delivery,
    /// `[plugins]`
    pub plugins: Plugins,
    /// `[[plugin]]`, in pipeline order.
    pub plugin: Vec<Plugin>,
}

/// `[log]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug`, `trace`, `off`, or a tracing filter. Default `info`.
    /// Environment: `LOG_LEVEL`.
    pub level: LogLevel,
    /// Default `auto`: pretty on a terminal, JSON otherwise.
    pub format: LogFormat,
}

/// The format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Pretty on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// For people.
    Pretty,
    /// One JSON object per line.
    Json,
}

/// `[storage]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Storage {
    /// The SQLite file. Default `wharf.db` inside the session path.
    pub database: Option<PathBuf>,
    /// How long message texts are kept after a message has ended, and in events after they were
    /// delivered; not longer than `keep_messages`. Default 7d; 0s deletes them as soon as nothing
    /// needs them.
    pub keep_bodies: Millis,
    /// How long messages that have ended are kept, with their history. Default 90d.
    pub keep_messages: Millis,
    /// How long events are kept. Default 7d.
    pub keep_events: Millis,
    /// How long a dead letter and its event are kept, from the time it was given up. Default 90d.
    pub keep_dead_letters: Millis,
    /// How long an idempotency key is remembered. Default 24h.
    pub keep_idempotency: Millis,
}

impl Default for Storage {
    fn default() -> Self {
        const DAY: u64 = 86_400_000;
        Self {
            database: None,
            keep_bodies: Millis(7 * DAY),
            keep_messages: Millis(90 * DAY),
            keep_events: Millis(7 * DAY),
            keep_dead_letters: Millis(90 * DAY),
            keep_idempotency: Millis(DAY),
        }
    }
}

/// `[delivery]`: how events are delivered.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Delivery {
    /// Time limit of one HTTP call. Default 10s.
    pub timeout: Millis,
    /// Maximum number of simultaneous calls, not counting those without an answer for more than a
    /// second. Default 32.
    pub concurrency: usize,
    /// Maximum number of simultaneous calls to one receiver, however long they take. Default 8.
    pub per_receiver: usize,
    /// Maximum number of attempts before a delivery becomes a dead letter, whatever a plugin
    /// decides. Default 100.
    pub max_attempts: u32,
    /// Longest pause between attempts. Default 1h.
    pub max_delay: Millis,
    /// How long a delivery waits for its receiver before it becomes a dead letter, even if it was
    /// never attempted. Default 3d.
    pub max_age: Millis,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            timeout: Millis::secs(10),
            concurrency: 32,
            per_receiver: 8,
            max_attempts: 100,
            max_delay: Millis(3_600_000),
            max_age: Millis(3 * 86_400_000),
        }
    }
}

/// `[plugins]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Plugins {
    /// The folder with the `.wasm` files; subfolders are not searched. Default `./plugins`.
    pub dir: PathBuf,
    /// The folder for compiled plugins. Default `cache/plugins` inside the session path.
    pub cache: Option<PathBuf>,
    /// Time limit for each of reading, compiling and checking one plugin. Default `2m`.
    pub load_timeout: Millis,
    /// Whether a plugin is reloaded when its file or its entry has changed. Default false.
    pub watch: bool,
}

impl Default for Plugins {
    fn default() -> Self {
        Self {
            dir: "./plugins".into(),
            cache: None,
            load_timeout: Millis(120_000),
            watch: false,
        }
    }
}

/// `[[plugin]]`: one plugin; the order of the entries is the order of the pipeline.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plugin {
    /// The name that the plugin declares for itself.
    pub name: String,
    /// File name inside `[plugins].dir`. Default `<name with '-' as '_'>.wasm`, or `<name>.wasm` if
    /// that exists.
    #[serde(default)]
    pub file: Option<String>,
    /// The SHA-256 that the file must have, 64 hex digits. Default: not checked.
    #[serde(default)]
    pub sha256: Option<String>,
    /// Whether the plugin is loaded; false ignores the entry. Default true.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Whether the gateway refuses to start when the plugin cannot be loaded. Default true.
    #[serde(default = "yes")]
    pub required: bool,
    /// Client ids of the sessions that it works for, or `*` for all. Default `["*"]`.
    #[serde(default = "all_sessions")]
    pub sessions: Vec<String>,
    /// Whether its verdicts are applied. Default `enforce`.
    #[serde(default)]
    pub mode: PluginMode,
    /// What happens to a message when the plugin itself fails. Default `reject`.
    #[serde(default)]
    pub on_error: OnError,
    /// Whether a validator may change a message. Default false.
    #[serde(default)]
    pub may_modify: bool,
    /// Whether its standard error output, including panic messages, goes to the log. It may quote
    /// messages. Default false: only the source location of a panic is logged.
    #[serde(default)]
    pub log_stderr: bool,
    /// Wall-clock limit of one call. Default 2s.
    #[serde(default = "plugin_timeout")]
    pub timeout: Millis,
    /// CPU limit of one call. Default 200ms.
    #[serde(default = "plugin_cpu")]
    pub cpu: Millis,
    /// Memory limit of one call. Default 32MiB.
    #[serde(default = "plugin_memory")]
    pub memory: ByteSize,
    /// When it is not called for a while because it fails. Default: it is always called.
    #[serde(default)]
    pub quarantine: Option<Quarantine>,
    /// The most HTTP requests that the plugin itself may make in one call, 0 to 100. Default 10.
    #[serde(default = "plugin_http_requests")]
    pub http_requests: u32,
    /// The capabilities granted to it. Default none.
    #[serde(default)]
    pub grants: Grants,
    /// Configuration of the plugin, which is validated against the plugin's own schema.
    #[serde(default)]
    pub config: toml::Table,
    /// Another version of the plugin that is asked beside it and decides nothing. Default none.
    #[serde(default)]
    pub candidate: Option<Candidate>,
}

/// `candidate` of a `[[plugin]]` entry. What it does not name is as in the entry.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Candidate {
    /// File name inside `[plugins].dir`. Default: the file of the plugin, to try another
    /// configuration.
    pub file: Option<String>,
    /// The SHA-256 that the file must have, 64 hex digits. Default: not checked.
    pub sha256: Option<String>,
    /// The whole configuration of the candidate. Default: that of the plugin.
    pub config: Option<toml::Table>,
}

impl Plugin {
    /// The entry of the plugin's candidate, if it has one: limits, grants and sessions are those of
    /// the plugin.
    #[must_use]
    pub fn of_candidate(&self) -> Option<Self> {
        let candidate = self.candidate.clone()?;
        let (file, sha256) = match candidate.file {
            Some(file) => (Some(file), candidate.sha256),
            None => (
                self.file.clone(),
                candidate.sha256.or_else(|| self.sha256.clone()),
            ),
        };
        Some(Self {
            file,
            sha256,
            config: candidate.config.unwrap_or_else(|| self.config.clone()),
            candidate: None,
            ..self.clone()
        })
    }
}

fn yes() -> bool {
    true
}

fn plugin_timeout() -> Millis {
    Millis::secs(2)
}

fn plugin_cpu() -> Millis {
    Millis(200)
}

fn plugin_memory() -> ByteSize {
    ByteSize(32 << 20)
}

fn plugin_http_requests() -> u32 {
    10
}

/// Whether a plugin's verdicts are applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PluginMode {
    /// Its verdicts are applied.
    #[default]
    Enforce,
    /// It is called and its verdicts are logged, but not applied.
    Monitor,
}

/// What happens to a message when a plugin itself fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// The message is refused.
    #[default]
    Reject,
    /// The message continues as if the plugin had allowed it.
    Allow,
}

/// When a plugin is not called for a while, because it has failed too often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quarantine {
    /// How many calls must fail: 1 to 10,000.
    pub failures: u32,
    /// Within which time they must fail; longer than 0.
    pub within: Millis,
    /// How long it is not called then; longer than 0.
    pub pause: Millis,
}

/// The capabilities granted to a plugin.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Grants {
    /// Origins, `scheme://host[:port]`, that it may call, and the host for it. Nothing else is ever
    /// called.
    pub http: Vec<String>,
    /// Whether those origins may be in private networks. Default false.
    pub http_private: bool,
    /// Size of its key-value storage. Default none.
    pub kv: Option<ByteSize>,
    /// Whether all sessions share one storage. Default false: one for each session.
    pub kv_shared: bool,
    /// Environment variables it may read, by name: `["HMAC_KEY"]`.
    pub secrets: Vec<String>,
    /// Whether it receives QR texts and pairing codes. Default false.
    pub qr: bool,
    /// Whether it receives message texts in events. Default true.
    pub bodies: Option<bool>,
}
