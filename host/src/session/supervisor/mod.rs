//! The task that owns one session: it feeds the state machine and performs its effects.
//!
//! Its loop never waits for a browser: launches, closes and calls into the page run as separate
//! tasks and return as [`Done`], stamped with their generation. Results of an older generation are
//! dropped. One permit stands for the profile directory: a launch takes it, and only the end of the
//! close returns it.

mod account;
mod body;
mod care;
mod catch_up;
mod done;
mod faults;
mod heard;
mod news;
mod pairing;
mod passkey;
mod state;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{Semaphore, mpsc, watch},
    time::{Instant, sleep, sleep_until},
};
use tracing::{info, warn};

pub use self::state::Limits;
use self::{
    body::Body,
    done::Done,
    state::{Care, CatchUp, Owner, Passkey},
};
use super::{
    handle::{Command, Order, SessionHandle, Snapshot},
    journal::Journal,
    machine::{Effect, Input, Machine, Rules, Wait},
};
use crate::{
    model::{ClientId, SessionState, Timestamp, Transition, jittered, millis},
    tasks,
    whatsapp::{Launcher, Page, PageSending},
};

/// The parts of a supervisor.
#[derive(Debug, Clone)]
pub struct Parts {
    /// The client that the session belongs to.
    pub client: ClientId,
    /// Starts pages.
    pub launcher: Arc<dyn Launcher>,
    /// Records the events.
    pub journal: Arc<dyn Journal>,
    /// Limits and pauses.
    pub rules: Rules,
    /// The time between health checks.
    pub health_interval: Duration,
    /// Limits for memory and acknowledgements.
    pub limits: Limits,
    /// Limits how many sessions start at the same time, with one permit for each.
    pub starts: Arc<Semaphore>,
    /// The profile held a login when the gateway stopped.
    pub linked: bool,
    /// Whether to start at once.
    pub wanted: bool,
}

/// How many commands may wait for a session; a further sender waits.
const COMMANDS: usize = 32;
/// The pause before a supervisor that panicked is restarted.
const PAUSE: Duration = Duration::from_secs(1);

/// Starts the supervisor of one session.
#[must_use]
pub fn spawn(parts: Parts) -> SessionHandle {
    let (commands, inbox) = mpsc::channel(COMMANDS);
    // A session that is not started publishes nothing, but its login is there all the same.
    let (snapshot_tx, snapshot) = watch::channel(Snapshot {
        linked: parts.linked,
        ..Snapshot::new("not started yet")
    });
    let (ready_tx, ready_page) = watch::channel(None);
    let (any_tx, any_page) = watch::channel(None);
    let handle = SessionHandle {
        client: parts.client.clone(),
        commands,
        snapshot,
        ready_page,
        any_page,
    };
    tokio::spawn(own(
        parts,
        Shown {
            snapshot: snapshot_tx,
            ready_page: ready_tx,
            any_page: any_tx,
        },
        inbox,
    ));
    handle
}

/// The channels through which others see a session.
#[derive(Clone)]
struct Shown {
    snapshot: watch::Sender<Snapshot>,
    ready_page: watch::Sender<Option<Arc<dyn PageSending>>>,
    any_page: watch::Sender<Option<Arc<dyn Page>>>,
}

/// Runs the supervisor, and restarts it with a new browser when it panics; to holders of the
/// session's handle this looks like a session that starts again.
async fn own(mut parts: Parts, shown: Shown, mut inbox: mpsc::Receiver<Order>) {
    // All supervisors share this permit: the browser of the previous one may still be closing.
    let profile = Arc::new(Semaphore::new(1));
    while tasks::unless_panics(
        Supervisor::new(parts.clone(), shown.clone(), Arc::clone(&profile)).run(&mut inbox),
    )
    .await
    .is_none()
    {
        tasks::begins_anew("session.supervisor", "it panicked");
        let (client, at, reason) = (
            parts.client.clone(),
            Timestamp::now(),
            "the session's task panicked; it is restarted".to_owned(),
        );
        let (before, account) = (
            shown.snapshot.borrow().state,
            shown.snapshot.borrow().account.clone(),
        );
        (parts.linked, parts.wanted) = (
            shown.snapshot.borrow().linked,
            before != SessionState::Disconnected,
        );
        shown.ready_page.send_replace(None);
        if let Some(page) = shown.any_page.send_replace(None) {
            page.close().await;
        }
        shown.snapshot.send_modify(|snapshot| {
            *snapshot = Snapshot {
                launches: snapshot.launches,
                linked: parts.linked,
                account: account.clone(),
                ..Snapshot::new(&reason)
            };
        });
        let transition = Transition {
            client,
            at,
            before,
            after: SessionState::Disconnected,
            reason,
        };
        // The journal may be the part that panicked.
        let _ = tasks::unless_panics(parts.journal.entered(
            &transition,
            account.as_ref(),
            parts.linked,
        ))
        .await;
        sleep(PAUSE).await;
    }
}

struct Supervisor {
    parts: Parts,
    machine: Machine,
    owner: Owner,
    body: Body,
    snapshot: watch::Sender<Snapshot>,
    ready_page: watch::Sender<Option<Arc<dyn PageSending>>>,
    any_page: watch::Sender<Option<Arc<dyn Page>>>,
    timer: Option<Instant>,
    /// The contract is being checked before the session becomes ready.
    probing: bool,
    /// The page did not answer the last health check.
    missed: bool,
    /// How many statuses the pages have reported by themselves.
    statuses: u64,
    catch_up: CatchUp,
    care: Care,
    passkey: Passkey,
}

impl Supervisor {
    fn new(parts: Parts, shown: Shown, profile: Arc<Semaphore>) -> Self {
        Self {
            machine: Machine::new(parts.linked),
            owner: Owner::new(parts.linked),
            body: Body::new(
                parts.client.clone(),
                Arc::clone(&parts.launcher),
                Arc::clone(&parts.journal),
                Arc::clone(&parts.starts),
                profile,
            ),
            parts,
            snapshot: shown.snapshot,
            ready_page: shown.ready_page,
            any_page: shown.any_page,
            timer: None,
            probing: false,
            missed: false,
            statuses: 0,
            catch_up: CatchUp::default(),
            care: Care::new(),
            passkey: Passkey::default(),
        }
    }

    async fn run(mut self, inbox: &mut mpsc::Receiver<Order>) {
        let mut health = tokio::time::interval(self.parts.health_interval);
        health.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        if self.parts.wanted {
            self.take(Input::Start).await;
        }
        loop {
            let (timer, passkey) = (self.timer, self.passkey.clock);
            tokio::select! {
                order = inbox.recv() => {
                    let Some((command, done)) = order else { return self.shut_down().await };
                    self.obey(command).await;
                    // The sender may no longer wait.
                    let _ = done.send(());
                    if command == Command::Shutdown {
                        return;
                    }
                }
                done = self.body.next() => self.done(done).await,
                () = wait(timer) => {
                    self.timer = None;
                    self.take(Input::Tick).await;
                }
                () = wait(passkey) => {
                    self.passkey.clock = None;
                    self.passkey_tick().await;
                }
                _ = health.tick() => self.check_health().await,
            }
        }
    }

    async fn obey(&mut self, command: Command) {
        match command {
            // A session between two attempts counts as running.
            Command::Start
                if self.machine.open || self.machine.state == SessionState::Reconnecting => {}
            Command::Start | Command::Reconnect => self.take(Input::Start).await,
            Command::Stop => self.take(Input::Stop).await,
            Command::Logout => self
                .body
                .ask("logout", |page| async move { page.logout().await }),
            Command::PasskeyAgain => self.passkey_again().await,
            Command::PasskeyCancel => self.passkey_cancel().await,
            Command::Shutdown => self.shut_down().await,
        }
    }

    /// Feeds one input to the machine and performs the effects.
    async fn take(&mut self, input: Input) {
        let linked = self.machine.linked;
        let machine = self.machine.clone();
        let (machine, effects) = machine.step(input, &self.parts.rules);
        self.machine = machine;
        for effect in effects {
            match effect {
                Effect::Enter {
                    before,
                    after,
                    reason,
                } => self.enter(before, after, reason).await,
                Effect::Launch => {
                    self.snapshot.send_modify(|snapshot| snapshot.launches += 1);
                    self.body.launch();
                }
                Effect::Close => {
                    self.probing = false;
                    self.missed = false;
                    self.catch_up = CatchUp::default();
                    self.body.close();
                }
                Effect::Reload => self
                    .body
                    .ask("reload", |page| async move { page.reload().await }),
                Effect::RefreshQr => self
                    .body
                    .ask("refresh_qr", |page| async move { page.refresh_qr().await }),
                Effect::Timer(wait) => self.set_timer(wait),
            }
        }
        if linked && !self.machine.linked {
            self.disowned();
        }
        self.publish();
        self.passkey_follows().await;
        self.catch_up().await;
    }

    async fn enter(&mut self, before: SessionState, after: SessionState, reason: String) {
        let at = Timestamp::now();
        let client = self.parts.client.clone();
        match after {
            SessionState::Error
            | SessionState::MaxReconnectExceeded
            | SessionState::AuthFailure
            | SessionState::Reconnecting => {
                warn!(%client, %before, %after, reason, "session");
            }
            _ => info!(%client, %before, %after, reason, "session"),
        }
        metrics::counter!("wharf_session_transitions_total", "session" => client.to_string(), "after" => after.as_str()).increment(1);
        if after == SessionState::Ready {
            self.care.became_ready();
            self.owned().await;
        }
        let linked = self.machine.linked;
        let account = self.snapshot.borrow().account.clone();
        self.snapshot.send_modify(|snapshot| {
            snapshot.state = after;
            snapshot.reason.clone_from(&reason);
            snapshot.since = at;
        });
        self.parts
            .journal
            .entered(
                &Transition {
                    client,
                    at,
                    before,
                    after,
                    reason,
                },
                account.as_ref(),
                linked,
            )
            .await;
    }

    /// Updates what others see to match the machine.
    fn publish(&mut self) {
        let page = self.body.page();
        let ready = page
            .clone()
            .filter(|_| self.machine.can_send() && self.owner.noted);
        let ready = ready.map(|page| -> Arc<dyn PageSending> { page });
        publish_page(&self.ready_page, ready);
        publish_page(&self.any_page, page);
        let (state, attempt, linked) = (
            self.machine.state,
            self.machine.attempt,
            self.machine.linked,
        );
        let waits = !self.machine.open;
        let next = self.timer.filter(|_| waits).map(|at| {
            let left = at.saturating_duration_since(Instant::now());
            Timestamp::now().plus_millis(millis(left))
        });
        self.snapshot.send_modify(|snapshot| {
            snapshot.attempt = attempt;
            snapshot.linked = linked;
            snapshot.next_attempt_at = next;
            if state != SessionState::QrReady {
                snapshot.qr = None;
                snapshot.pairing = None;
            }
        });
        metrics::gauge!("wharf_session_ready", "session" => self.parts.client.to_string())
            .set(if self.machine.can_send() { 1.0 } else { 0.0 });
    }

    fn set_timer(&mut self, wait: Option<Wait>) {
        self.timer = wait.map(|wait| match wait {
            Wait::Deadline(time) => Instant::now() + time,
            Wait::Pause(time) => Instant::now() + jittered(time, 0.9..=1.1),
        });
    }

    async fn shut_down(&mut self) {
        let reason = "the gateway is stopping".to_owned();
        let before = self.machine.state;
        self.body.close();
        self.machine.open = false;
        self.machine.passkey = false;
        self.machine.state = SessionState::Disconnected;
        if before != SessionState::Disconnected {
            self.enter(before, SessionState::Disconnected, reason).await;
        }
        self.publish();
        // Whoever is told of a ceremony is told of its end, also of this one.
        self.passkey_follows().await;
        while self.body.busy() {
            if let Done::Launched { generation, result } = self.body.next().await {
                self.body.launched(generation, result);
            }
        }
    }
}

async fn wait(timer: Option<Instant>) {
    match timer {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn publish_page<P: ?Sized>(sender: &watch::Sender<Option<Arc<P>>>, page: Option<Arc<P>>) {
    sender.send_if_modified(|now| {
        let same = match (&*now, &page) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        };
        if !same {
            *now = page;
        }
        !same
    });
}
