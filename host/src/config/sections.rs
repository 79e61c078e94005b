//! The sections of `gateway.toml` with their defaults.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize;

use super::{Api, ByteSize, Millis, Server};
use crate::model::ClientId;

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
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a tracing filter. Default `info`. Environment: `LOG_LEVEL`.
    pub level: String,
    /// Default `auto`: pretty on a terminal, JSON otherwise.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".into(), format: LogFormat::Auto }
    }
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
    /// How long the texts of messages are kept once a message has ended, and of events once they are told; not longer than
    /// `keep_messages`. Default 7d; 0s: as soon as nobody needs them.
    pub keep_bodies: Millis,
    /// How long sends that have ended are kept, with their history. Default 90d.
    pub keep_messages: Millis,
    /// How long events are kept. Default 7d.
    pub keep_events: Millis,
    /// How long a dead letter is kept, and with it its event, from the moment it was given up. Default 90d.
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

/// `[whatsapp]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WhatsApp {
    /// Default `https://web.whatsapp.com/`.
    pub url: String,
    /// A bridge script to use instead of the built-in one, to mend a break before a release.
    pub bridge_script: Option<PathBuf>,
    /// How long a page may take to boot to a QR or a login. Default 60s.
    pub boot_timeout: Millis,
    /// How long the first sync may take. Default 5m.
    pub sync_timeout: Millis,
    /// How long one call into the page may take. Default 20s.
    pub call_timeout: Millis,
    /// How long a passkey's challenge may wait for its answer; WhatsApp's own limit holds where it is shorter. Default 10m.
    pub passkey_timeout: Millis,
    /// How long the phone, the person who compares the code, and the end of the linking may each take after that. The page
    /// itself gives up after 120s. Default 130s.
    pub passkey_step: Millis,
}

impl Default for WhatsApp {
    fn default() -> Self {
        Self {
            url: "https://web.whatsapp.com/".into(),
            bridge_script: None,
            boot_timeout: Millis::secs(60),
            sync_timeout: Millis::secs(300),
            call_timeout: Millis::secs(20),
            passkey_timeout: Millis::secs(600),
            passkey_step: Millis::secs(130),
        }
    }
}

/// `[browser]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Browser {
    /// The Chromium binary. Default: searched in the usual places. Environment: `CHROMIUM`.
    pub executable: Option<PathBuf>,
    /// Default `auto`: the headless shell where it is installed, the full browser elsewhere.
    pub kind: BrowserKind,
    /// Default `isolated`: a browser for each session.
    pub mode: BrowserMode,
    /// More command-line switches, e.g. `["--proxy-server=…"]`.
    pub args: Vec<String>,
    /// The user agent. Default: the browser's own, without `Headless`.
    pub user_agent: Option<String>,
    /// How long Chromium may take to start. Default 30s.
    pub launch_timeout: Option<Millis>,
    /// How long a clean close may take before the process is killed. Default 10s.
    pub close_grace: Option<Millis>,
}

/// How many sessions live in one browser. A session changes its mode with the next start, without a new QR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BrowserMode {
    /// One each: what happens to one browser happens to one session.
    #[default]
    Isolated,
    /// All in one full browser: a further session costs about half as much memory. When that browser dies they all start
    /// anew, and they share `args` and `user_agent`.
    Shared,
}

/// Which Chromium.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BrowserKind {
    /// The headless shell where it is installed, else the full browser without a window. A profile made with one is good
    /// for the other.
    #[default]
    Auto,
    /// The full browser without a window (new headless): about twice the memory of the shell, and what a page can ask of
    /// a browser is there.
    Headless,
    /// `chromium-headless-shell`: about half the memory; no `window.chrome`, no list of plugins, no profile lock of its
    /// own (the gateway has one).
    HeadlessShell,
    /// With a window; needs a display.
    Headful,
}

/// `[sessions]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sessions {
    /// Where profiles live: `<path>/.wwebjs_auth/session-<id>`. Default `./whatsapp-session`. Environment: `SESSION_PATH`.
    pub path: PathBuf,
    /// The client id of calls that name none. Default `default`. Environment: `CLIENT_ID`.
    pub default_client: ClientId,
    /// Further sessions. The default client always exists.
    pub session: BTreeMap<ClientId, Session>,
    /// Attempts before `max_reconnect_exceeded`. Default 5.
    pub max_attempts: u32,
    /// Wait before the first attempt. Default 5s.
    pub first_delay: Millis,
    /// Wait before the second attempt; doubles from there. Default 30s.
    pub retry_delay: Millis,
    /// Longest wait. Default 5m.
    pub max_delay: Millis,
    /// Wait between attempts once they are used up; 0 stops for good. Default 30m.
    pub slow_delay: Millis,
    /// Ready for so long resets the attempts. Default 60s.
    pub stable_after: Millis,
    /// Between health checks. Default 60s.
    pub health_interval: Millis,
    /// A lost socket is not reported for so long, because the page mends it. Default 3s.
    pub offline_grace: Millis,
    /// The page may try so long to connect again before its browser is started anew. Default 5m.
    pub mend_timeout: Millis,
    /// Sends without any acknowledgement for so long, though the session is ready, mark it degraded and load its page
    /// anew; 0 never. Default 2m.
    pub ack_watchdog: Millis,
    /// Over so much private memory of its browser the page is loaded anew at a quiet moment; 0B never. Default 1GiB.
    pub memory_soft: ByteSize,
    /// Over so much the browser is started anew at once; 0B never. Default 2GiB.
    pub memory_hard: ByteSize,
    /// QR codes shown before the session waits for a person. Default 60.
    pub qr_limit: u32,
    /// After the phone unlinked us. Default `auto`: show a new QR.
    pub relink: Relink,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            path: "./whatsapp-session".into(),
            default_client: default_client(),
            session: BTreeMap::new(),
            max_attempts: 5,
            first_delay: Millis::secs(5),
            retry_delay: Millis::secs(30),
            max_delay: Millis::secs(300),
            slow_delay: Millis::secs(1800),
            stable_after: Millis::secs(60),
            health_interval: Millis::secs(60),
            offline_grace: Millis::secs(3),
            mend_timeout: Millis::secs(300),
            ack_watchdog: Millis::secs(120),
            memory_soft: ByteSize(1 << 30),
            memory_hard: ByteSize(2 << 30),
            qr_limit: 60,
            relink: Relink::Auto,
        }
    }
}

#[expect(clippy::expect_used, reason = "a literal that a test parses")]
fn default_client() -> ClientId {
    "default".parse().expect("a valid client id")
}

/// `[sessions.session.<id>]`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Session {
    /// Pairs that every event of the session carries.
    pub metadata: BTreeMap<String, String>,
    /// How fast it sends, where that differs from `[send.pacing]`.
    pub pacing: PacingOverride,
}

/// After the phone unlinked us.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Relink {
    /// Show a new QR.
    #[default]
    Auto,
    /// Wait for `reconnect`.
    Manual,
}

/// `[send]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Send {
    /// How long a caller waits for the outcome. Default 30s.
    pub timeout: Millis,
    /// Region (ISO 3166, e.g. `DE`) whose national numbers are accepted with a leading 0. Default none.
    pub default_region: Option<String>,
    /// UTF-16 units of a message. Default 4096.
    pub max_length: usize,
    /// How long to wait for the server's acknowledgement before the outcome is unknown. Default 60s.
    pub ack_timeout: Millis,
    /// How long the page is asked about a send of unknown outcome, from when it became unknown; then it is unknown for good.
    /// Default 24h.
    pub give_up_after: Millis,
    /// How long a looked-up number is believed. Default 24h.
    pub address_ttl: Millis,
    /// When the pace, a pause or a restriction holds a send back for which somebody waits. Default `wait`.
    pub when_busy: WhenBusy,
    /// `[send.pacing]`
    pub pacing: Pacing,
}

/// `[send.pacing]`: how fast each session sends. What is over the pace waits its turn. Default: as fast as it goes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pacing {
    /// Messages within a minute; 0: any number.
    pub per_minute: u32,
    /// Messages within 24 hours; 0: any number.
    pub per_day: u32,
    /// Between the beginnings of two sends.
    pub min_gap: Millis,
    /// Up to so much more, by chance.
    pub jitter: Millis,
    /// Messages within 24 hours to people who have neither had a message of the session nor written to it; 0: any number.
    pub cold_per_day: u32,
    /// For every character so long, the recipient is shown that somebody types; 0: not at all.
    pub typing: Millis,
    /// At most so long. Default 10s.
    pub typing_max: Millis,
    /// Messages on the first, the second, … day of a session that sends: `[20, 50, 100]`. Afterwards `per_day` alone holds.
    pub warm_up: Vec<u32>,
}

impl Default for Pacing {
    fn default() -> Self {
        Self {
            per_minute: 0,
            per_day: 0,
            min_gap: Millis(0),
            jitter: Millis(0),
            cold_per_day: 0,
            typing: Millis(0),
            typing_max: Millis::secs(10),
            warm_up: vec![],
        }
    }
}

impl Pacing {
    /// Whether sends go one at a time and are counted.
    #[must_use]
    pub fn counts(&self) -> bool {
        Self { typing_max: Self::default().typing_max, ..self.clone() } != Self::default()
    }
}

/// `[sessions.session.<id>.pacing]`: what differs from `[send.pacing]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the keys of `Pacing`")]
pub struct PacingOverride {
    pub per_minute: Option<u32>,
    pub per_day: Option<u32>,
    pub min_gap: Option<Millis>,
    pub jitter: Option<Millis>,
    pub cold_per_day: Option<u32>,
    pub typing: Option<Millis>,
    pub typing_max: Option<Millis>,
    pub warm_up: Option<Vec<u32>>,
}

impl PacingOverride {
    /// What is not said is as in `common`.
    #[must_use]
    pub fn over(&self, common: &Pacing) -> Pacing {
        Pacing {
            per_minute: self.per_minute.unwrap_or(common.per_minute),
            per_day: self.per_day.unwrap_or(common.per_day),
            min_gap: self.min_gap.unwrap_or(common.min_gap),
            jitter: self.jitter.unwrap_or(common.jitter),
            cold_per_day: self.cold_per_day.unwrap_or(common.cold_per_day),
            typing: self.typing.unwrap_or(common.typing),
            typing_max: self.typing_max.unwrap_or(common.typing_max),
            warm_up: self.warm_up.clone().unwrap_or_else(|| common.warm_up.clone()),
        }
    }
}

/// What becomes of a send that somebody waits for and that could not begin at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenBusy {
    /// It waits its turn, as long as `timeout`.
    #[default]
    Wait,
    /// It is refused, with the time after which it is worth another try.
    Reject,
}

impl Default for Send {
    fn default() -> Self {
        Self {
            timeout: Millis::secs(30),
            default_region: None,
            max_length: 4096,
            ack_timeout: Millis::secs(60),
            give_up_after: Millis(86_400_000),
            address_ttl: Millis(86_400_000),
            when_busy: WhenBusy::Wait,
            pacing: Pacing::default(),
        }
    }
}

/// `[delivery]`: how notifications are sent.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Delivery {
    /// One HTTP call. Default 10s.
    pub timeout: Millis,
    /// Calls at the same time, those to which no answer has come for more than a second not counted. Default 32.
    pub concurrency: usize,
    /// Calls to one receiver at the same time, however long they take. Default 8.
    pub per_receiver: usize,
    /// Attempts before the dead letters, whatever a plugin says. Default 100.
    pub max_attempts: u32,
    /// Longest wait between attempts. Default 1h.
    pub max_delay: Millis,
    /// How long an event waits for its receiver before it is a dead letter, tried or not. Default 3d.
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
}

impl Default for Plugins {
    fn default() -> Self {
        Self { dir: "./plugins".into(), cache: None }
    }
}

/// `[[plugin]]`: one enabled plugin; the order of the entries is the order of the pipeline.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plugin {
    /// Must equal the name the plugin gives itself.
    pub name: String,
    /// A file name inside `[plugins].dir`. Default `<name with '-' as '_'>.wasm`, or `<name>.wasm` where that exists.
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
