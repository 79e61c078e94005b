//! What the supervisor remembers beside the machine and the snapshot, by what it is about.

use std::time::Duration;

use tokio::time::Instant;

use super::faults::Faults;
use crate::{
    model::{Restriction, RestrictionKind, millis},
    whatsapp::{BrowserReport, PageStatus, SendNews, SendProgress, TimeLock},
};

/// What is known of whose account the session is.
#[derive(Debug)]
pub(super) struct Owner {
    /// The login has ended, and since then nobody has said whose the new one is.
    pub(super) unknown: bool,
    /// The journal knows what there is to know; until it does nothing is sent.
    pub(super) noted: bool,
}

impl Owner {
    pub(super) fn new(linked: bool) -> Self {
        Self {
            unknown: !linked,
            noted: true,
        }
    }
}

/// How far the present document has come in catching up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct CatchUp {
    pub(super) stage: CatchUpStage,
    /// How often not everything could be read.
    pub(super) failures: u8,
}

/// What of catching up is next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum CatchUpStage {
    #[default]
    Due,
    Asked,
    Done,
}

/// A passkey ceremony, beside what the snapshot shows of it.
#[derive(Debug, Default)]
pub(super) struct Passkey {
    pub(super) clock: Option<Instant>,
    /// How long the present stage may take.
    pub(super) life: Duration,
    /// The one fresh challenge was asked for.
    pub(super) retried: bool,
}

/// Limits of one session's body.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// Bytes of private memory over which the page is loaded anew at a quiet moment; 0: none.
    pub memory_soft: u64,
    /// Bytes over which the browser is started anew; 0: none.
    pub memory_hard: u64,
    /// Sends without an acknowledgement for so long mean that nothing gets through; zero: never.
    pub ack_watchdog: Duration,
}

/// How far it has gone to get sends through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stalled {
    No,
    PageAnew,
    BrowserAnew,
}

/// What health checks go by.
pub(super) struct Care {
    pub(super) ready_since: Instant,
    pub(super) last_message: Instant,
    pub(super) last_ack: Instant,
    pub(super) last_refresh: Option<Instant>,
    cpu: Option<(Instant, u64)>,
    /// What was done because nothing got through, and nothing has since.
    pub(super) stalled: Stalled,
    pub(super) unacknowledged: u64,
    pub(super) restrictions: Vec<Restriction>,
    /// Messages that were accepted for another account.
    pub(super) held: u64,
    /// What the page said last of the time lock.
    pub(super) locked: Option<Option<TimeLock>>,
    pub(super) status: Option<PageStatus>,
    /// What is to be said of a passkey that is awaited.
    pub(super) passkey: Option<String>,
    pub(super) faults: Faults,
}

impl Care {
    pub(super) fn new() -> Self {
        let now = Instant::now();
        Self {
            ready_since: now,
            last_message: now,
            last_ack: now,
            last_refresh: None,
            cpu: None,
            stalled: Stalled::No,
            unacknowledged: 0,
            restrictions: Vec::new(),
            held: 0,
            locked: None,
            status: None,
            passkey: None,
            faults: Faults::default(),
        }
    }

    pub(super) fn became_ready(&mut self) {
        self.ready_since = Instant::now();
    }

    pub(super) fn message(&mut self) {
        self.last_message = Instant::now();
    }

    pub(super) fn send_news(&mut self, news: &SendNews) {
        self.message();
        match &news.what {
            SendProgress::Ack(_) => {
                self.last_ack = Instant::now();
                self.stalled = Stalled::No;
                self.unacknowledged = 0;
            }
            SendProgress::Refused { .. } => {}
        }
    }

    /// Percent of one core since the last look; none at the first look, or when a process has gone
    /// since.
    pub(super) fn cpu_percent(&mut self, browser: &BrowserReport) -> Option<u32> {
        let now = Instant::now();
        let (before, used) = self.cpu.replace((now, browser.cpu_millis?))?;
        let spent = browser.cpu_millis?.checked_sub(used)?;
        let percent = spent
            .saturating_mul(100)
            .checked_div(millis(now.duration_since(before)))?;
        u32::try_from(percent).ok()
    }

    /// What an operator should know, for people.
    pub(super) fn notices(&mut self) -> Vec<String> {
        let mut notices: Vec<String> = self.passkey.iter().cloned().collect();
        if self.unacknowledged > 0 {
            notices.push(format!(
                "degraded: {} sends have no acknowledgement though the session is ready",
                self.unacknowledged
            ));
        }
        if let Some(status) = &self.status {
            if status.modal {
                notices.push("a dialog covers the page; sends go on".into());
            }
            if status.needs_update {
                notices.push(
                    "WhatsApp Web has a new version; the page is loaded anew at a quiet moment"
                        .into(),
                );
            }
        }
        if self.held > 0 {
            notices.push(format!(
                "{} messages were accepted for another account than the session has now and are held: release or cancel them (/v1/sessions/<id>/held)",
                self.held
            ));
        }
        for Restriction { kind, .. } in &self.restrictions {
            let why = match kind {
                RestrictionKind::ReachOutTimeLock => {
                    "WhatsApp lets this account write to nobody new for a while (reach-out time lock, 463)"
                }
                RestrictionKind::NewChatLimit => {
                    "WhatsApp refuses new chats of this account: its monthly limit is reached (475)"
                }
            };
            notices.push(format!("{why}; sends to strangers wait"));
        }
        notices.extend(self.faults.notice());
        notices
    }
}
