//! The state of the supervisor besides the machine and the snapshot, by subject.

use std::time::Duration;

use tokio::time::Instant;

use super::faults::Faults;
use crate::{
    model::{Restriction, RestrictionKind, millis},
    whatsapp::{BrowserReport, PageStatus, SendNews, SendProgress, TimeLock},
};

/// What is known about the account of the session.
#[derive(Debug)]
pub(super) struct Owner {
    /// The login has ended, and the account of the new one is still unknown.
    pub(super) unknown: bool,
    /// The journal has recorded what is known; until then nothing is sent.
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

/// The progress of catching up in the current document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct CatchUp {
    pub(super) stage: CatchUpStage,
    /// How often some messages could not be read.
    pub(super) failures: u8,
}

/// The next step of catching up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum CatchUpStage {
    #[default]
    Due,
    Asked,
    Done,
}

/// The state of a passkey ceremony besides what the snapshot shows.
#[derive(Debug, Default)]
pub(super) struct Passkey {
    pub(super) clock: Option<Instant>,
    /// How long the current stage may take.
    pub(super) life: Duration,
    /// The one retry with a new challenge has been used.
    pub(super) retried: bool,
}

/// Limits of one session's browser.
#[derive(Debug, Clone, Copy, Default)]
pub struct Limits {
    /// The private memory in bytes above which the page is reloaded at a quiet moment; 0: no limit.
    pub memory_soft: u64,
    /// The private memory in bytes above which the browser is restarted; 0: no limit.
    pub memory_hard: u64,
    /// How long sends may lack an acknowledgement before the page and then the browser is replaced;
    /// zero: never.
    pub ack_watchdog: Duration,
}

/// What has been done so far to get sends through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stalled {
    No,
    PageAnew,
    BrowserAnew,
}

/// The state that health checks use.
pub(super) struct Care {
    pub(super) ready_since: Instant,
    pub(super) last_message: Instant,
    pub(super) last_ack: Instant,
    pub(super) last_refresh: Option<Instant>,
    cpu: Option<(Instant, u64)>,
    /// What has been done since the last acknowledgement because none arrived.
    pub(super) stalled: Stalled,
    pub(super) unacknowledged: u64,
    pub(super) restrictions: Vec<Restriction>,
    /// The number of messages that were accepted for another account.
    pub(super) held: u64,
    /// What the page last reported about the time lock.
    pub(super) locked: Option<Option<TimeLock>>,
    pub(super) status: Option<PageStatus>,
    /// The notice about a passkey that is awaited.
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

    /// Processor use since the last call in percent of one core; `None` at the first call, or when
    /// a process has ended since.
    pub(super) fn cpu_percent(&mut self, browser: &BrowserReport) -> Option<u32> {
        let now = Instant::now();
        let (before, used) = self.cpu.replace((now, browser.cpu_millis?))?;
        let spent = browser.cpu_millis?.checked_sub(used)?;
        let percent = spent
            .saturating_mul(100)
            .checked_div(millis(now.duration_since(before)))?;
        u32::try_from(percent).ok()
    }

    /// The notices for operators.
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
