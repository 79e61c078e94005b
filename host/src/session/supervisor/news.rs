//! Translates events of the page and results of tasks into inputs of the machine.

use std::time::Duration;

use tracing::warn;

use super::{Supervisor, done::Done, state::CatchUp};
use crate::{
    model::{SessionState, Timestamp, millis},
    session::{
        Arrival,
        handle::{HealthNote, QrView},
        machine::Input,
    },
    whatsapp::{
        BrowserReport, ContractReport, LaunchError, PageError, PageEvent, PageStatus, SendNews,
        SendProgress, Stage,
    },
};

/// WhatsApp's code for a permanent ban.
const PERMANENT_BAN: &str = "406";
/// How long to wait when a ban has no known end.
const UNKNOWN_BAN: Duration = Duration::from_secs(1800);
/// The capability without which nothing can be sent, so that the session is not ready; the other
/// capabilities fail separately.
const ESSENTIAL: &str = "send_text";

impl Supervisor {
    pub(super) async fn done(&mut self, done: Done) {
        match done {
            Done::Event(event) => self.event(event).await,
            Done::Sends(news) => self.sends(news).await,
            Done::Messages(messages) => self.messages(messages).await,
            Done::Launched { generation, result } => match self.body.launched(generation, result) {
                Some(Ok(())) => self.take(Input::Launched).await,
                Some(Err(error)) => self.take(launch_failed(&error)).await,
                None => {}
            },
            Done::Contract { generation, result } if self.body.is_current(generation) => {
                self.contract(result).await
            }
            Done::Health {
                generation,
                after,
                page_millis,
                result,
                browser,
            } if self.body.is_current(generation) => {
                self.healthy(after, page_millis, result, browser).await;
            }
            Done::NoCatchUp { generation, error } if self.body.is_current(generation) => {
                self.no_catch_up(&error).await
            }
            Done::Contract { .. }
            | Done::NoCatchUp { .. }
            | Done::Health { .. }
            | Done::Nothing => {}
        }
    }

    async fn event(&mut self, event: PageEvent) {
        match event {
            PageEvent::Status(status) => {
                self.statuses += 1;
                self.status(status).await;
            }
            PageEvent::Qr { code, ttl } => self.qr(code, ttl).await,
            PageEvent::QrExhausted => {
                self.snapshot.send_modify(|snapshot| snapshot.qr = None);
                self.take(Input::QrExhausted).await;
            }
            PageEvent::PairingCode(code) => self.pairing_code(code).await,
            PageEvent::PairingEnded(reason) => self.pairing_ended(&reason),
            PageEvent::Passkey(news) => self.passkey_news(news).await,
            PageEvent::Send(news) => self.sends(vec![news]).await,
            PageEvent::Message(message) => {
                self.messages(vec![Arrival {
                    message,
                    missed: false,
                }])
                .await
            }
            PageEvent::Missed(message) => {
                self.messages(vec![Arrival {
                    message,
                    missed: true,
                }])
                .await
            }
            PageEvent::CaughtUp { complete } => self.caught_up(complete).await,
            PageEvent::Fault(fault) => self.fault(fault).await,
            PageEvent::LoggedOut(reason) => {
                self.take(Input::LoggedOut(format!(
                    "WhatsApp ended the login: {reason}"
                )))
                .await
            }
            PageEvent::Banned { until, code } => {
                let wait = match until {
                    _ if code == PERMANENT_BAN => None,
                    Some(until) => Some(Duration::from_millis(until.since(Timestamp::now()))),
                    None => Some(UNKNOWN_BAN),
                };
                let reason = match (wait, until) {
                    (None, _) => "WhatsApp has banned this account for good (406)".to_owned(),
                    (_, Some(until)) => format!(
                        "WhatsApp has banned this account until {} ({code})",
                        until.rfc3339()
                    ),
                    _ => format!(
                        "WhatsApp has banned this account for a time it did not name ({code})"
                    ),
                };
                self.take(Input::Banned { wait, reason }).await;
            }
            PageEvent::Navigated => {
                self.probing = false;
                self.missed = false;
                self.catch_up = CatchUp::default();
                self.snapshot.send_modify(|snapshot| snapshot.page = None);
                self.take(Input::Navigated).await;
            }
            PageEvent::Crashed(reason) => {
                self.take(Input::Lost(format!("the page crashed: {reason}")))
                    .await
            }
            PageEvent::Closed(reason) => {
                self.take(Input::Lost(format!("the browser ended: {reason}")))
                    .await
            }
        }
    }

    async fn sends(&mut self, news: Vec<SendNews>) {
        let account = self.snapshot.borrow().account.clone();
        let refused = news
            .iter()
            .any(|news| matches!(news.what, SendProgress::Refused { .. }));
        for news in &news {
            self.care.send_news(news);
        }
        self.parts
            .journal
            .send_news(&self.parts.client, account.as_ref(), news)
            .await;
        if refused {
            self.look_for_restrictions().await;
        }
        self.notice(None).await;
    }

    async fn status(&mut self, status: PageStatus) {
        let stage = status.stage();
        self.account(&status).await;
        self.snapshot
            .send_modify(|snapshot| snapshot.page = Some(status.clone()));
        // A status without the lock does not mean that there is none if the page cannot tell; a
        // recorded lock then stays until its end.
        if stage == Stage::Ready && (status.time_lock.is_some() || status.time_lock_known) {
            self.time_lock(status.time_lock).await;
        }
        self.notice(Some(status)).await;
        let already = self.machine.can_send() || self.machine.mending;
        if stage == Stage::Ready && !already {
            if !self.probing {
                self.probing = true;
                self.body.probe_contract();
            }
        } else {
            self.take(Input::Page(stage)).await;
        }
    }

    async fn contract(&mut self, result: Result<ContractReport, PageError>) {
        self.probing = false;
        match result {
            Ok(report) => {
                let broken = report
                    .capabilities
                    .iter()
                    .find(|capability| capability.name == ESSENTIAL && !capability.ok);
                let input = match broken {
                    Some(capability) => {
                        let version = report.version.as_deref().unwrap_or("unknown");
                        let missing = capability.missing.join(", ");
                        Input::ContractBroken(format!(
                            "WhatsApp Web {version} lacks {missing}, needed to send; a newer bridge script is needed"
                        ))
                    }
                    None => Input::Page(Stage::Ready),
                };
                self.snapshot
                    .send_modify(|snapshot| snapshot.contract = Some(report));
                self.take(input).await;
            }
            // The page was loaded anew meanwhile; the new one will be probed.
            Err(PageError::Gone { .. } | PageError::NoBridge { .. }) => {}
            Err(error) => self.take(Input::Lost(error.to_string())).await,
        }
    }

    async fn qr(&mut self, code: String, ttl: Duration) {
        self.take(Input::Qr).await;
        if self.machine.state != SessionState::QrReady || self.machine.passkey {
            return;
        }
        let view = QrView {
            code,
            expires_at: Timestamp::now().plus_millis(millis(ttl)),
            attempt: self.machine.qr_shown,
        };
        self.snapshot
            .send_modify(|snapshot| snapshot.qr = Some(view.clone()));
        self.parts
            .journal
            .qr(
                &self.parts.client,
                &view.code,
                view.expires_at,
                view.attempt,
            )
            .await;
    }

    pub(super) async fn check_health(&mut self) {
        let qr = self.snapshot.borrow().qr.clone();
        match self.machine.state {
            // The page's own rotation of QR codes stops silently if it was offline at the wrong
            // moment.
            SessionState::QrReady
                if !self.is_pairing()
                    && !self.machine.passkey
                    && qr.is_none_or(|qr| qr.expires_at < Timestamp::now()) =>
            {
                self.body
                    .ask("refresh_qr", |page| async move { page.refresh_qr().await });
                self.body.check_health(self.statuses);
            }
            SessionState::QrReady | SessionState::Authenticated | SessionState::Ready => {
                self.body.check_health(self.statuses)
            }
            _ => {}
        }
    }

    async fn healthy(
        &mut self,
        after: u64,
        page_millis: u64,
        result: Result<PageStatus, PageError>,
        browser: BrowserReport,
    ) {
        let client = self.parts.client.clone();
        let expected = self.machine.state != SessionState::Ready
            || result
                .as_ref()
                .is_ok_and(|status| status.stage() == Stage::Ready);
        let (ok, detail) = match &result {
            Ok(_) if expected => (true, "ok".to_owned()),
            Ok(status) => (
                false,
                format!(
                    "the page says {:?} though the session is ready",
                    status.stage()
                ),
            ),
            Err(error) => (false, error.to_string()),
        };
        if !ok {
            warn!(%client, detail, "health check");
        }
        metrics::counter!("wharf_health_checks_total", "session" => client.to_string(), "ok" => ok.to_string()).increment(1);
        let cpu_percent = self.care.cpu_percent(&browser);
        let note = HealthNote {
            at: Timestamp::now(),
            ok,
            detail,
            page_millis,
            cpu_percent,
            browser: Some(browser.clone()),
        };
        self.parts.journal.health(&client, &note).await;
        match result {
            Ok(status) => {
                self.missed = false;
                self.look_for_restrictions().await;
                let untold_since = status.untold_since;
                // A status that the page has reported since then may be newer than this answer, which
                // waited for the measurements of the browser: an old answer would end a time lock
                // that has begun meanwhile. If the answer is the newer one, the page reports its
                // change too.
                if after == self.statuses {
                    self.status(status).await;
                }
                self.catch_up().await;
                self.all_told(untold_since).await;
                self.look_after(&browser).await;
            }
            // Once: it may just be loaded anew. Again: it went to a place where no bridge is.
            Err(PageError::Gone { .. } | PageError::NoBridge { .. } | PageError::Failed { .. })
                if !std::mem::replace(&mut self.missed, true) => {}
            Err(error) => {
                self.take(Input::Lost(format!("health check: {error}")))
                    .await
            }
        }
    }
}

fn launch_failed(error: &LaunchError) -> Input {
    let fatal = matches!(
        error,
        LaunchError::NoBrowser(_) | LaunchError::ProfileInUse { .. } | LaunchError::Profile(_)
    );
    Input::LaunchFailed {
        fatal,
        reason: error.to_string(),
    }
}
