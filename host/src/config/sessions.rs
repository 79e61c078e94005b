//! What a login lives in: WhatsApp Web, the browser and the sessions themselves.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize;

use super::{ByteSize, Millis, PacingOverride};
use crate::model::ClientId;

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
    /// How long a passkey's challenge may wait for its answer; WhatsApp's own limit holds where it
    /// is shorter. Default 10m.
    pub passkey_timeout: Millis,
    /// How long the phone, the person who compares the code, and the end of the linking may each
    /// take after that. The page itself gives up after 120s. Default 130s.
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

/// How many sessions live in one browser. A session changes its mode with the next start, without a
/// new QR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BrowserMode {
    /// One each: what happens to one browser happens to one session.
    #[default]
    Isolated,
    /// All in one full browser: a further session costs about half as much memory. When that
    /// browser dies they all start anew, and they share `args` and `user_agent`.
    Shared,
}

/// Which Chromium.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BrowserKind {
    /// The headless shell where it is installed, else the full browser without a window. A profile
    /// made with one is good for the other.
    #[default]
    Auto,
    /// The full browser without a window (new headless): about twice the memory of the shell, and
    /// what a page can ask of a browser is there.
    Headless,
    /// `chromium-headless-shell`: about half the memory; no `window.chrome`, no list of plugins, no
    /// profile lock of its own (the gateway has one).
    HeadlessShell,
    /// With a window; needs a display.
    Headful,
}

/// `[sessions]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sessions {
    /// Where profiles live: `<path>/.wwebjs_auth/session-<id>`. Default `./whatsapp-session`.
    /// Environment: `SESSION_PATH`.
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
    /// Sends without any acknowledgement for so long, though the session is ready, mark it degraded
    /// and load its page anew; 0 never. Default 2m.
    pub ack_watchdog: Millis,
    /// Over so much private memory of its browser the page is loaded anew at a quiet moment; 0B
    /// never. Default 1GiB.
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
