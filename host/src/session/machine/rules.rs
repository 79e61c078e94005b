//! The limits and pauses that the state machine uses.

use std::time::Duration;

use crate::{config, model::Backoff};

/// The limit of reloads; a log-out reloads the page twice, an update once.
const RELOADS: u32 = 10;

/// Limits and pauses of one session.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Attempts before the session gives up.
    pub max_attempts: u32,
    /// The pause before the first attempt.
    pub first_delay: Duration,
    /// The pause before the second attempt; it doubles with each further attempt.
    pub retry_delay: Duration,
    /// The longest pause.
    pub max_delay: Duration,
    /// The pause once all attempts are used up; `None`: stop for good.
    pub slow_delay: Option<Duration>,
    /// How long the session must be ready before earlier failures are forgotten.
    pub stable_after: Duration,
    /// How long a page may take to show a QR code or a login.
    pub boot_timeout: Duration,
    /// How long the first sync may take.
    pub sync_timeout: Duration,
    /// How long a lost connection goes unreported: the page usually reconnects within a second.
    pub offline_grace: Duration,
    /// How long the page may try to reconnect before the browser is restarted. The page's own
    /// back-off reaches 15 min.
    pub mend_timeout: Duration,
    /// How often the page may reload itself before it reaches another state.
    pub reload_limit: u32,
    /// How many QR codes are shown before the session stops and waits for a person.
    pub qr_limit: u32,
    /// How long a passkey's challenge may wait for its answer; a shorter time-out in its options
    /// takes precedence.
    pub passkey_timeout: Duration,
    /// How long the phone, the person, and the end of the linking may then take, each.
    pub passkey_step: Duration,
    /// Whether to show a new QR code after the phone has unlinked this device.
    pub relink: bool,
}

impl Rules {
    /// The rules for this configuration.
    #[must_use]
    pub fn new(sessions: &config::Sessions, whatsapp: &config::WhatsApp) -> Self {
        Self {
            max_attempts: sessions.max_attempts,
            first_delay: sessions.first_delay.duration(),
            retry_delay: sessions.retry_delay.duration(),
            max_delay: sessions.max_delay.duration(),
            slow_delay: Some(sessions.slow_delay.duration()).filter(|delay| !delay.is_zero()),
            stable_after: sessions.stable_after.duration(),
            boot_timeout: whatsapp.boot_timeout.duration(),
            sync_timeout: whatsapp.sync_timeout.duration(),
            offline_grace: sessions.offline_grace.duration(),
            mend_timeout: sessions.mend_timeout.duration(),
            reload_limit: RELOADS,
            qr_limit: sessions.qr_limit,
            passkey_timeout: whatsapp.passkey_timeout.duration(),
            passkey_step: whatsapp.passkey_step.duration(),
            relink: sessions.relink == config::Relink::Auto,
        }
    }

    /// The pause before attempt `n`, counted from 1.
    #[must_use]
    pub fn delay(&self, n: u32) -> Duration {
        if n <= 1 {
            return self.first_delay.min(self.max_delay);
        }
        Backoff {
            first: self.retry_delay,
            longest: self.max_delay,
        }
        .pause(n - 2)
    }
}
