//! What follows from a health check beyond "the page answers": memory, missing acknowledgements,
//! and the notices, which tell an operator about conditions of a session that is ready.
//!
//! A page is reloaded for maintenance only when nothing has passed through it for a while, and at
//! most once in [`REFRESH_PAUSE`], so that a page that is simply large is not reloaded again and
//! again.

use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use super::{Supervisor, state::Stalled};
use crate::{
    model::{Event, SessionNotices, SessionState},
    session::machine::Input,
    whatsapp::{BrowserReport, Fault, PageStatus, TimeLock},
};

/// How long a page must be without a message to count as quiet.
const QUIET: Duration = Duration::from_secs(30);
/// The shortest time between two reloads for maintenance.
const REFRESH_PAUSE: Duration = Duration::from_secs(1800);

impl Supervisor {
    /// Records what the page says about the time lock, when it has changed or a lock continues.
    pub(super) async fn time_lock(&mut self, lock: Option<TimeLock>) {
        if self.care.locked.replace(lock) == Some(None) && lock.is_none() {
            return;
        }
        let account = self.snapshot.borrow().account.clone();
        self.parts
            .journal
            .time_lock(&self.parts.client, account.as_ref(), lock)
            .await;
        self.look_for_restrictions().await;
    }

    pub(super) async fn look_for_restrictions(&mut self) {
        self.care.restrictions = self.parts.journal.restrictions(&self.parts.client).await;
        self.care.held = self.parts.journal.held(&self.parts.client).await;
    }

    /// Publishes the notices if they have changed.
    pub(super) async fn notice(&mut self, status: Option<PageStatus>) {
        if let Some(status) = status {
            self.care.status = Some(status);
        }
        let notices = self.care.notices();
        if self.snapshot.borrow().notices == notices {
            return;
        }
        let (client, account) = (
            self.parts.client.clone(),
            self.snapshot.borrow().account.clone(),
        );
        if notices.is_empty() {
            info!(%client, "the session has no notices any more");
        } else {
            warn!(%client, ?notices, "session");
        }
        self.snapshot
            .send_modify(|snapshot| snapshot.notices.clone_from(&notices));
        self.parts
            .journal
            .report(
                &client,
                account.as_ref(),
                Event::report(&SessionNotices { notices }),
            )
            .await;
    }

    /// Counts a fault of the bridge, and reports it when that is due.
    pub(super) async fn fault(&mut self, fault: Fault) {
        let client = self.parts.client.clone();
        metrics::counter!("wharf_bridge_faults_total", "session" => client.to_string())
            .increment(fault.count);
        if let Some(event) = self.care.faults.note(fault) {
            warn!(%client, place = event.place, error = event.error, count = event.count, "the bridge stumbled over something the page did");
            let account = self.snapshot.borrow().account.clone();
            self.parts
                .journal
                .report(&client, account.as_ref(), Event::report(&event))
                .await;
            self.notice(None).await;
        }
    }

    /// Called after a health check of a session that is ready.
    pub(super) async fn look_after(&mut self, browser: &BrowserReport) {
        if self.machine.state != SessionState::Ready || self.machine.mending {
            return;
        }
        let limits = self.parts.limits;
        let memory = browser.memory_bytes.unwrap_or(0);
        let over = |limit: u64| limit > 0 && memory > limit;
        let mib = |bytes: u64| bytes >> 20;
        if over(limits.memory_hard) {
            let reason = format!(
                "its browser uses {} MiB, more than the {} MiB allowed",
                mib(memory),
                mib(limits.memory_hard)
            );
            return self.take(Input::Lost(reason)).await;
        }
        if let Some(input) = self.stalled().await {
            return self.take(input).await;
        }
        let due = self
            .care
            .last_refresh
            .is_none_or(|at| at.elapsed() >= REFRESH_PAUSE);
        if !due || self.care.last_message.elapsed() < QUIET {
            return;
        }
        let wants_update = self
            .care
            .status
            .as_ref()
            .is_some_and(|status| status.needs_update);
        let reason = if over(limits.memory_soft) {
            format!(
                "its browser uses {} MiB, more than {} MiB: loading the page anew while it is quiet",
                mib(memory),
                mib(limits.memory_soft)
            )
        } else if wants_update {
            "WhatsApp Web has a new version: loading the page anew while it is quiet".to_owned()
        } else {
            return;
        };
        self.care.last_refresh = Some(Instant::now());
        self.take(Input::Refresh(reason)).await;
    }

    /// The session is ready and no acknowledgement arrives: first the page is reloaded, then the
    /// browser is restarted.
    async fn stalled(&mut self) -> Option<Input> {
        let limit = self.parts.limits.ack_watchdog;
        let care = &self.care;
        if limit.is_zero() || care.last_ack.elapsed() < limit || care.ready_since.elapsed() < limit
        {
            return None;
        }
        let count = self
            .parts
            .journal
            .unacknowledged(&self.parts.client, limit)
            .await;
        self.care.unacknowledged = count;
        self.notice(None).await;
        if count == 0 {
            return None;
        }
        let reason = format!(
            "{count} sends have had no acknowledgement for {limit:?} though the session is ready"
        );
        let (stalled, input) = match self.care.stalled {
            Stalled::No => (Stalled::PageAnew, Input::Refresh(reason)),
            Stalled::PageAnew => (Stalled::BrowserAnew, Input::Lost(reason)),
            Stalled::BrowserAnew => {
                // For the same sends the browser is restarted only once, because WhatsApp may have
                // forgotten them.
                let older = self
                    .parts
                    .journal
                    .unacknowledged(&self.parts.client, self.care.ready_since.elapsed())
                    .await;
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
