//! What a health check means beyond "the page answers": memory, acknowledgements that stay away, and what an operator
//! should know although the session is ready (its notices).
//!
//! A page is loaded anew for its own good only when nothing has passed through it for a while, and at most once in
//! [`REFRESH_PAUSE`], so that a page that is simply large is not loaded for ever.

use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use super::{Supervisor, faults::Faults};
use crate::{
    model::{Event, Restriction, RestrictionKind, SessionNotices, SessionState},
    session::machine::Input,
    whatsapp::{BrowserReport, PageStatus, SendNews, SendProgress, TimeLock},
};

/// Without a message for so long the page is not needed right now.
const QUIET: Duration = Duration::from_secs(30);
/// Between two refreshes for the page's own good.
const REFRESH_PAUSE: Duration = Duration::from_secs(1800);

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
enum Stalled {
    No,
    PageAnew,
    BrowserAnew,
}

/// What the supervisor remembers for it.
pub(super) struct Care {
    ready_since: Instant,
    last_message: Instant,
    last_ack: Instant,
    last_refresh: Option<Instant>,
    cpu: Option<(Instant, u64)>,
    /// What was done because nothing got through, and nothing has since.
    stalled: Stalled,
    unacknowledged: u64,
    pub(super) restrictions: Vec<Restriction>,
    /// Messages that were accepted for another account.
    held: u64,
    /// What the page said last of the time lock.
    pub(super) locked: Option<Option<TimeLock>>,
    status: Option<PageStatus>,
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

    /// Percent of one core since the last look; none at the first look, or when a process has gone since.
    pub(super) fn cpu_percent(&mut self, browser: &BrowserReport) -> Option<u32> {
        let now = Instant::now();
        let (before, used) = self.cpu.replace((now, browser.cpu_millis?))?;
        let spent = browser.cpu_millis?.checked_sub(used)?;
        let passed = u64::try_from(now.duration_since(before).as_millis()).ok().filter(|millis| *millis > 0)?;
        u32::try_from(spent.saturating_mul(100) / passed).ok()
    }

    fn notices(&mut self) -> Vec<String> {
        let mut notices: Vec<String> = self.passkey.iter().cloned().collect();
        if self.unacknowledged > 0 {
            notices.push(format!("degraded: {} sends have no acknowledgement though the session is ready", self.unacknowledged));
        }
        if let Some(status) = &self.status {
            if status.modal {
                notices.push("a dialog covers the page; sends go on".into());
            }
            if status.needs_update {
                notices.push("WhatsApp Web has a new version; the page is loaded anew at a quiet moment".into());
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
                RestrictionKind::ReachOutTimeLock => "WhatsApp lets this account write to nobody new for a while (reach-out time lock, 463)",
                RestrictionKind::NewChatLimit => "WhatsApp refuses new chats of this account: its monthly limit is reached (475)",
            };
            notices.push(format!("{why}; sends to strangers wait"));
        }
        notices.extend(self.faults.notice());
        notices
    }
}

impl Supervisor {
    /// Takes the page's word on the time lock, when it is a new one or holds on.
    pub(super) async fn time_lock(&mut self, lock: Option<TimeLock>) {
        if self.care.locked.replace(lock) == Some(None) && lock.is_none() {
            return;
        }
        let account = self.snapshot.borrow().account.clone();
        self.parts.journal.time_lock(&self.parts.client, account.as_ref(), lock).await;
        self.look_for_restrictions().await;
    }

    pub(super) async fn look_for_restrictions(&mut self) {
        self.care.restrictions = self.parts.journal.restrictions(&self.parts.client).await;
        self.care.held = self.parts.journal.held(&self.parts.client).await;
    }

    /// Publishes what changed of the notices.
    pub(super) async fn notice(&mut self, status: Option<PageStatus>) {
        if let Some(status) = status {
            self.care.status = Some(status);
        }
        let notices = self.care.notices();
        if self.snapshot.borrow().notices == notices {
            return;
        }
        let (client, account) = (self.parts.client.clone(), self.snapshot.borrow().account.clone());
        if notices.is_empty() {
            info!(%client, "the session's notices are gone");
        } else {
            warn!(%client, ?notices, "session");
        }
        self.snapshot.send_modify(|snapshot| snapshot.notices.clone_from(&notices));
        self.parts.journal.report(&client, account.as_ref(), Event::report(&SessionNotices { notices })).await;
    }

    /// After a health check of a session that is ready.
    pub(super) async fn look_after(&mut self, browser: &BrowserReport) {
        if self.machine.state != SessionState::Ready || self.machine.mending {
            return;
        }
        let limits = self.parts.limits;
        let memory = browser.memory_bytes.unwrap_or(0);
        let over = |limit: u64| limit > 0 && memory > limit;
        let mib = |bytes: u64| bytes >> 20;
        if over(limits.memory_hard) {
            let reason = format!("its browser uses {} MiB, more than the {} MiB allowed", mib(memory), mib(limits.memory_hard));
            return self.take(Input::Lost(reason)).await;
        }
        if let Some(input) = self.stalled().await {
            return self.take(input).await;
        }
        let due = self.care.last_refresh.is_none_or(|at| at.elapsed() >= REFRESH_PAUSE);
        if !due || self.care.last_message.elapsed() < QUIET {
            return;
        }
        let wants_update = self.care.status.as_ref().is_some_and(|status| status.needs_update);
        let reason = if over(limits.memory_soft) {
            format!("its browser uses {} MiB, more than {} MiB: loading the page anew while it is quiet", mib(memory), mib(limits.memory_soft))
        } else if wants_update {
            "WhatsApp Web has a new version: loading the page anew while it is quiet".to_owned()
        } else {
            return;
        };
        self.care.last_refresh = Some(Instant::now());
        self.take(Input::Refresh(reason)).await;
    }

    /// Everything says ready and nothing gets through: first a new page, then a new browser.
    async fn stalled(&mut self) -> Option<Input> {
        let limit = self.parts.limits.ack_watchdog;
        let care = &self.care;
        if limit.is_zero() || care.last_ack.elapsed() < limit || care.ready_since.elapsed() < limit {
            return None;
        }
        let count = self.parts.journal.unacknowledged(&self.parts.client, limit).await;
        self.care.unacknowledged = count;
        self.notice(None).await;
        if count == 0 {
            return None;
        }
        let reason = format!("{count} sends have had no acknowledgement for {limit:?} though the session is ready");
        let (stalled, input) = match self.care.stalled {
            Stalled::No => (Stalled::PageAnew, Input::Refresh(reason)),
            Stalled::PageAnew => (Stalled::BrowserAnew, Input::Lost(reason)),
            Stalled::BrowserAnew => {
                // For the same sends a browser is started anew once: they may be forgotten.
                let older = self.parts.journal.unacknowledged(&self.parts.client, self.care.ready_since.elapsed()).await;
                if count <= older {
                    return None;
                }
                (Stalled::BrowserAnew, Input::Lost(reason))
            }
        };
        self.care.stalled = stalled;
        Some(input)
    }
}
