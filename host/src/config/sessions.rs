//! `[whatsapp]`, `[browser]` and `[sessions]`.

use std::{collections::BTreeMap, path::PathBuf};

use serde::Deserialize;

use super::{ByteSize, Millis, PacingOverride};
use crate::model::ClientId;

/// `[whatsapp]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WhatsApp {
    /// The address of WhatsApp Web. Default `https://web.whatsapp.com/`.
    pub url: String,
    /// A bridge script that replaces the built-in one, to repair the bridge before a release does.
    pub bridge_script: Option<PathBuf>,
    /// How long a page may take until it shows a QR code or a login. Default 60s.
    pub boot_timeout: Millis,
    /// How long the first sync may take. Default 5m.
    pub sync_timeout: Millis,
    /// How long one call into the page may take. Default 20s.
    pub call_timeout: Millis,
    /// How long a passkey's challenge may wait for its answer; a shorter limit of WhatsApp's takes
    /// precedence. Default 10m.
    pub passkey_timeout: Millis,
    /// Time limit for each of the steps after that: the phone's answer, the comparison of the code,
    /// and the end of the linking. The page itself gives up after 120s. Default 130s.
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
    /// The Chromium executable. Default: searched for in the usual places. Environment: `CHROMIUM`.
    pub executable: Option<PathBuf>,
    /// Which Chromium is used. Default `auto`: the headless shell if it is installed, otherwise the
    /// full browser.
    pub kind: BrowserKind,
    /// How sessions are distributed over browsers. Default `isolated`: one browser for each
    /// session.
    pub mode: BrowserMode,
    /// Additional command-line switches, e.g. `["--proxy-server=…"]`.
    pub args: Vec<String>,
    /// The user agent. Default: the browser's own, without `Headless`.
    pub user_agent: Option<String>,
    /// How long Chromium may take to start. Default 30s.
    pub launch_timeout: Option<Millis>,
    /// How long a clean close may take before the process is killed. Default 10s.
    pub close_grace: Option<Millis>,
}

/// How sessions are distributed over browsers. A session adopts a changed mode at its next start,
/// without a new QR code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BrowserMode {
    /// One browser for each session: a failure of one browser affects one session only.
    #[default]
    Isolated,
    /// All sessions in one full browser: each further session needs about half as much memory. When
    /// the browser dies, all sessions are restarted, and all share `args` and `user_agent`.
    Shared,
}

/// Which Chromium is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BrowserKind {
    /// The headless shell if it is installed, otherwise the full browser without a window. Both can
    /// use the same profile.
    #[default]
    Auto,
    /// The full browser without a window (new headless): about twice the memory of the shell, with
    /// all features that a page can expect of a browser.
    Headless,
    /// `chromium-headless-shell`: about half the memory; no `window.chrome`, no list of plugins, no
    /// profile lock of its own (the gateway has one).
    HeadlessShell,
    /// The full browser with a window; needs a display.
    Headful,
}

/// `[sessions]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sessions {
    /// The session path. Profiles are in `<path>/.wwebjs_auth/session-<id>`. Default
    /// `./whatsapp-session`. Environment: `SESSION_PATH`.
    pub path: PathBuf,
    /// The client id of calls that name none. Default `default`. Environment: `CLIENT_ID`.
    pub default_client: ClientId,
    /// Further sessions. The default client always exists.
    pub session: BTreeMap<ClientId, Session>,
    /// Number of attempts before `max_reconnect_exceeded`. Default 5.
    pub max_attempts: u32,
    /// Pause before the first attempt. Default 5s.
    pub first_delay: Millis,
    /// Pause before the second attempt; doubles with each further one. Default 30s.
    pub retry_delay: Millis,
    /// Longest pause between attempts. Default 5m.
    pub max_delay: Millis,
    /// Pause between attempts after `max_attempts`; 0 makes no further attempt. Default 30m.
    pub slow_delay: Millis,
    /// How long a session must be ready before the count of attempts is reset. Default 60s.
    pub stable_after: Millis,
    /// Interval between health checks. Default 60s.
    pub health_interval: Millis,
    /// How long a lost connection of the page is not reported, because the page usually restores
    /// it. Default 3s.
    pub offline_grace: Millis,
    /// How long the page may try to reconnect before its browser is restarted. Default 5m.
    pub mend_timeout: Millis,
    /// How long a ready session may have unacknowledged messages before it is marked degraded and
    /// its page is reloaded; 0 never. Default 2m.
    pub ack_watchdog: Millis,
    /// Private memory of the browser above which the page is reloaded at a quiet moment; 0B never.
    /// Default 1GiB.
    pub memory_soft: ByteSize,
    /// Private memory above which the browser is restarted immediately; 0B never. Default 2GiB.
    pub memory_hard: ByteSize,
    /// Number of QR codes that are shown before the session waits for a person. Default 60.
    pub qr_limit: u32,
    /// What happens after the account was unlinked on the phone. Default `auto`: show a new QR
    /// code.
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
    /// Key-value pairs that are added to every event of the session.
    pub metadata: BTreeMap<String, String>,
    /// Overrides of `[send.pacing]` for the session.
    pub pacing: PacingOverride,
}

/// What happens after the account was unlinked on the phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Relink {
    /// Show a new QR code.
    #[default]
    Auto,
    /// Do nothing until somebody calls `reconnect`.
    Manual,
}
