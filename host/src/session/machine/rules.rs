//! The numbers the machine goes by.

use std::time::Duration;

use crate::{config, model::Backoff};

/// A log-out loads a page twice, an update once.
const RELOADS: u32 = 10;

/// Limits and pauses of one session.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Attempts before the session gives up.
    pub max_attempts: u32,
    /// Before the first attempt.
    pub first_delay: Duration,
    /// Before the second; doubles from there.
    pub retry_delay: Duration,
    /// Longest pause.
    pub max_delay: Duration,
    /// Pause once the attempts are used up; none stops for good.
    pub slow_delay: Option<Duration>,
    /// Ready for so long forgives earlier failures.
    pub stable_after: Duration,
    /// A page may take so long to show a QR or a login.
    pub boot_timeout: Duration,
    /// The first sync may take so long.
    pub sync_timeout: Duration,
    /// A lost socket is not worth a word for so long: the page reconnects within a second as a
    /// rule.
    pub offline_grace: Duration,
    /// The page may try so long to reconnect before the browser is started anew. Its own back-off
    /// reaches 15 min.
    pub mend_timeout: Duration,
    /// The page may load itself anew so often before it comes to anything.
    pub reload_limit: u32,
    /// QR codes shown before the session waits for a person.
    pub qr_limit: u32,
    /// A passkey's challenge may wait so long for its answer; what the options say is heeded where
    /// it is shorter.
    pub passkey_timeout: Duration,
    /// Phone, person and the end of the linking may each take so long then.
    pub passkey_step: Duration,
    /// Show a new QR after the phone unlinked us.
    pub relink: bool,
}

impl Rules {
    /// As configured.
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

    /// The pause before attempt `n` (from 1).
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
