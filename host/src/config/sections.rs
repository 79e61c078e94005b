//! The sections of `gateway.toml` with their defaults: the whole, and what is about the gateway
//! itself. Sessions and sends have files of their own.

use std::path::PathBuf;

use serde::Deserialize;

use super::{Api, Browser, ByteSize, LogLevel, Millis, Send, Server, Sessions, WhatsApp};

/// Everything the gateway can be told.
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

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Pretty on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// `[storage]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Storage {
    /// The SQLite file. Default `wharf.db` inside the session path.
    pub database: Option<PathBuf>,
    /// How long the texts of messages are kept once a message has ended, and of events once they
    /// are told; not longer than `keep_messages`. Default 7d; 0s: as soon as nobody needs them.
    pub keep_bodies: Millis,
    /// How long sends that have ended are kept, with their history. Default 90d.
    pub keep_messages: Millis,
    /// How long events are kept. Default 7d.
    pub keep_events: Millis,
    /// How long a dead letter is kept, and with it its event, from the moment it was given up.
    /// Default 90d.
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

/// `[delivery]`: how notifications are sent.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Delivery {
    /// One HTTP call. Default 10s.
    pub timeout: Millis,
    /// Calls at the same time, those to which no answer has come for more than a second not
    /// counted. Default 32.
    pub concurrency: usize,
    /// Calls to one receiver at the same time, however long they take. Default 8.
    pub per_receiver: usize,
    /// Attempts before the dead letters, whatever a plugin says. Default 100.
    pub max_attempts: u32,
    /// Longest wait between attempts. Default 1h.
    pub max_delay: Millis,
    /// How long an event waits for its receiver before it is a dead letter, tried or not. Default
    /// 3d.
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
    /// Where the `.wasm` files lie; sub-folders are not searched. Default `./plugins`.
    pub dir: PathBuf,
    /// Compiled code is kept here. Default `cache/plugins` inside the session path.
    pub cache: Option<PathBuf>,
    /// How long reading, compiling and checking one plugin may take, each. Default `2m`.
    pub load_timeout: Millis,
}

impl Default for Plugins {
    fn default() -> Self {
        Self {
            dir: "./plugins".into(),
            cache: None,
            load_timeout: Millis(120_000),
        }
    }
}

/// `[[plugin]]`: one enabled plugin; the order of the entries is the order of the pipeline.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plugin {
    /// Must equal the name the plugin gives itself.
    pub name: String,
    /// A file name inside `[plugins].dir`. Default `<name with '-' as '_'>.wasm`, or `<name>.wasm`
    /// where that exists.
    #[serde(default)]
    pub file: Option<String>,
    /// Pin: the file's SHA-256, 64 hex digits.
    #[serde(default)]
    pub sha256: Option<String>,
    /// Default true; false leaves the entry out.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Default true: a plugin that cannot be loaded stops the start.
    #[serde(default = "yes")]
    pub required: bool,
    /// Client ids it works for, `*` for all. Default `["*"]`.
    #[serde(default = "all_sessions")]
    pub sessions: Vec<String>,
    /// Default `enforce`.
    #[serde(default)]
    pub mode: PluginMode,
    /// What becomes of a send when the plugin itself fails. Default `reject`.
    #[serde(default)]
    pub on_error: OnError,
    /// Whether a validator may change a message. Default false.
    #[serde(default)]
    pub may_modify: bool,
    /// Whether what it writes to its standard error, the words of a panic included, goes to the
    /// log. They may quote messages. Default false: of a panic only the place in the source is
    /// told.
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
    /// What it may reach. Default nothing.
    #[serde(default)]
    pub grants: Grants,
    /// Handed to the plugin after a check against its own schema.
    #[serde(default)]
    pub config: toml::Table,
}

fn yes() -> bool {
    true
}

fn all_sessions() -> Vec<String> {
    vec!["*".into()]
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

/// Whether a plugin's word counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PluginMode {
    /// It counts.
    #[default]
    Enforce,
    /// It is asked and logged, and changes nothing.
    Monitor,
}

/// What becomes of a send when a plugin itself fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// It is refused.
    #[default]
    Reject,
    /// It goes on as if the plugin had allowed it.
    Allow,
}

/// What a plugin may reach.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Grants {
    /// `scheme://host[:port]` the host may call for it. Nothing else is ever called.
    pub http: Vec<String>,
    /// Whether those hosts may lie in private networks. Default false.
    pub http_private: bool,
    /// Key-value storage, and how much. Default none.
    pub kv: Option<ByteSize>,
    /// Whether the kv namespace is one for all sessions. Default false: one per session.
    pub kv_shared: bool,
    /// Environment variables it may read, by name: `["HMAC_KEY"]`.
    pub secrets: Vec<String>,
    /// Whether it sees QR texts. Default false.
    pub qr: bool,
    /// Whether it sees message bodies in events. Default true.
    pub bodies: Option<bool>,
}
