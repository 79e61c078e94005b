//! The state machine of a session: `(machine, input) -> (machine, effects)`, without I/O and
//! without a clock.
//!
//! There is one timer per session, because no state waits for two things at once: entering a state
//! sets the timer again, and the state in which it fires decides what that means.

#[cfg(test)]
mod docs;
#[cfg(test)]
mod properties;
mod rules;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use rules::Rules;

use crate::{
    model::SessionState::{
        self, AuthFailure, Authenticated, Disconnected, Error, Loading, MaxReconnectExceeded,
        QrReady, Ready, Reconnecting,
    },
    whatsapp::Stage,
};

/// The state of a session, with everything that its rules have to remember.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// The state that others see.
    pub state: SessionState,
    /// Failed attempts since the last reset.
    pub attempt: u32,
    /// QR codes shown since the last linking or manual start.
    pub qr_shown: u32,
    /// The profile holds a login, as far as is known.
    pub linked: bool,
    /// A browser was requested and not closed since.
    pub open: bool,
    /// The page was reloaded because another browser had taken over its login.
    pub reclaimed: bool,
    /// The connection to WhatsApp is lost; the page is running and reconnects by itself.
    pub mending: bool,
    /// The page has reached WhatsApp again since then, and was given the time of a sync.
    pub catching_up: bool,
    /// How often the page has reloaded itself since it last reached a state other than `loading`.
    pub reloads: u32,
    /// WhatsApp waits for the account's passkey before it links; anything about QR codes would
    /// break that.
    pub passkey: bool,
}

/// An input: something that happened to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// A request to start it now.
    Start,
    /// A request to stop it.
    Stop,
    /// The browser is running and the page is being opened.
    Launched,
    /// The browser or the page could not be opened.
    LaunchFailed {
        /// A retry does not help.
        fatal: bool,
        /// The reason.
        reason: String,
    },
    /// A stage that the page reports.
    Page(Stage),
    /// The page works but lacks what sending needs.
    ContractBroken(String),
    /// A QR code can be scanned.
    Qr,
    /// All QR codes of the current batch have been used up.
    QrExhausted,
    /// WhatsApp asks for the account's passkey before it links.
    PasskeyAsked,
    /// WhatsApp no longer asks for the passkey, and nothing was linked: QR codes follow.
    PasskeyEnded,
    /// The page has reloaded itself.
    Navigated,
    /// The page should be reloaded, and is not needed right now.
    Refresh(String),
    /// WhatsApp ended the login.
    LoggedOut(String),
    /// WhatsApp has banned the account.
    Banned {
        /// The time until the ban ends; `None` for a permanent ban.
        wait: Option<Duration>,
        /// The reason.
        reason: String,
    },
    /// The page or the browser crashed, hangs, or failed a health check.
    Lost(String),
    /// The timer fired.
    Tick,
}

/// An effect: something that the supervisor has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The state changed; record, publish, log and count the change.
    Enter {
        /// The old state.
        before: SessionState,
        /// The new state.
        after: SessionState,
        /// The reason.
        reason: String,
    },
    /// Start a browser, after the previous one has closed.
    Launch,
    /// Close the browser cleanly.
    Close,
    /// Reload the page.
    Reload,
    /// Ask for another batch of QR codes.
    RefreshQr,
    /// Wait this long, then send [`Input::Tick`]; this replaces the previous timer. `None`: no
    /// timer.
    Timer(Option<Wait>),
}

/// How long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// A deadline: exact.
    Deadline(Duration),
    /// A pause before an attempt: ±10 %, so that sessions do not come back all at once.
    Pause(Duration),
}

impl Machine {
    /// A session that has not started; `linked` as it was stored.
    #[must_use]
    pub fn new(linked: bool) -> Self {
        Self {
            state: Disconnected,
            attempt: 0,
            qr_shown: 0,
            linked,
            open: false,
            reclaimed: false,
            mending: false,
            catching_up: false,
            reloads: 0,
            passkey: false,
        }
    }

    /// Processes one input; every combination of state and input is defined.
    #[must_use]
    pub fn step(mut self, input: Input, rules: &Rules) -> (Self, Vec<Effect>) {
        let mut step = Step {
            machine: &mut self,
            rules,
            effects: Vec::new(),
        };
        step.take(input);
        let effects = step.effects;
        (self, effects)
    }

    /// Whether the outbox may use the page.
    #[must_use]
    pub fn can_send(&self) -> bool {
        self.state == Ready
    }
}

struct Step<'a> {
    machine: &'a mut Machine,
    rules: &'a Rules,
    effects: Vec<Effect>,
}

impl Step<'_> {
    fn take(&mut self, input: Input) {
        match input {
            Input::Start => self.start(),
            Input::Stop => {
                self.close();
                self.enter(Disconnected, "stopped by hand");
            }
            // An event of a page that no longer exists.
            _ if !self.machine.open && !matches!(input, Input::Tick) => {}
            Input::Launched => self.timer(Some(Wait::Deadline(self.rules.boot_timeout))),
            Input::LaunchFailed {
                fatal: true,
                reason,
            }
            | Input::ContractBroken(reason) => self.fail(&reason),
            Input::LaunchFailed {
                fatal: false,
                reason,
            }
            | Input::Lost(reason) => self.lose(&reason),
            Input::Page(stage) => self.page(stage),
            // QR codes keep changing behind the page's question for the passkey, and a scan would
            // break the ceremony.
            Input::Qr | Input::QrExhausted if self.machine.passkey => {}
            Input::Qr => self.qr(),
            Input::PasskeyAsked => self.passkey_asked(),
            Input::PasskeyEnded => {
                self.machine.passkey = false;
                self.machine.qr_shown = 0;
            }
            Input::QrExhausted if self.machine.state == QrReady => {
                self.effects.push(Effect::RefreshQr)
            }
            Input::QrExhausted => {}
            Input::Navigated => self.navigated(),
            Input::Refresh(reason) if self.machine.state == Ready => self.reload(&reason),
            Input::Refresh(_) => {}
            Input::LoggedOut(reason) => self.logged_out(&reason),
            Input::Banned { wait: None, reason } => self.fail(&reason),
            Input::Banned {
                wait: Some(wait),
                reason,
            } => {
                self.close();
                self.enter(Disconnected, &reason);
                self.timer(Some(Wait::Deadline(wait)));
            }
            Input::Tick => self.tick(),
        }
    }

    /// A manual start works in every state, and resets the count of failures.
    fn start(&mut self) {
        self.close();
        self.machine.attempt = 0;
        self.machine.qr_shown = 0;
        self.machine.reclaimed = false;
        self.launch("started");
    }

    fn launch(&mut self, reason: &str) {
        self.machine.open = true;
        self.enter(Loading, reason);
        // The launcher has its own deadlines; the boot deadline starts with `Launched`.
        self.timer(None);
        self.effects.push(Effect::Launch);
    }

    fn page(&mut self, stage: Stage) {
        match (self.machine.state, stage) {
            (Loading | QrReady, Stage::Syncing) => self.authenticated(),
            (Loading | QrReady, Stage::Ready) => {
                self.authenticated();
                self.ready("connected and synced");
            }
            (Authenticated, Stage::Ready) => self.ready("connected and synced"),
            (Reconnecting, Stage::Ready) if self.machine.mending => {
                self.ready("WhatsApp's connection is back")
            }
            (Ready, Stage::Ready) if self.machine.mending => {
                self.mended();
                self.timer(Some(Wait::Deadline(self.rules.stable_after)));
            }
            // Much may have arrived meanwhile, so the time is that of a sync: once for each loss,
            // because a connection that comes and goes would otherwise be waited for for ever.
            (Reconnecting, Stage::Syncing) if self.machine.mending && !self.machine.catching_up => {
                self.machine.catching_up = true;
                self.timer(Some(Wait::Deadline(self.rules.sync_timeout)));
            }
            (Ready, Stage::Offline | Stage::Booting | Stage::Syncing) if !self.machine.mending => {
                self.machine.mending = true;
                self.timer(Some(Wait::Deadline(self.rules.offline_grace)));
            }
            (Authenticated | Ready, Stage::NeedsLink) => {
                self.logged_out("WhatsApp asks for a new scan")
            }
            (_, Stage::Replaced) => self.replaced(),
            // A new browser requests the new page; a reload could get the old one from the service
            // worker.
            (_, Stage::Outdated) => {
                self.lose("WhatsApp refuses this version of its page and wants a newer one")
            }
            _ => {}
        }
    }

    fn authenticated(&mut self) {
        self.machine.linked = true;
        self.machine.qr_shown = 0;
        self.enter(Authenticated, "linked");
        self.timer(Some(Wait::Deadline(self.rules.sync_timeout)));
    }

    /// Nothing is known of a lost connection any more.
    fn mended(&mut self) {
        self.machine.mending = false;
        self.machine.catching_up = false;
    }

    fn ready(&mut self, reason: &str) {
        self.mended();
        self.enter(Ready, reason);
        self.timer(Some(Wait::Deadline(self.rules.stable_after)));
    }

    fn qr(&mut self) {
        if !matches!(self.machine.state, Loading | QrReady | Authenticated) || !self.may_link() {
            return;
        }
        self.machine.qr_shown += 1;
        if self.machine.qr_shown > self.rules.qr_limit {
            self.machine.qr_shown = 0;
            self.close();
            self.enter(
                Disconnected,
                &format!(
                    "nobody scanned any of {} QR codes; reconnect to see new ones",
                    self.rules.qr_limit
                ),
            );
        } else if self.machine.state != QrReady {
            self.enter(QrReady, "a QR can be scanned");
            self.timer(None);
        }
    }

    /// Like a QR code, but nothing is shown: some accounts are asked before they see one.
    fn passkey_asked(&mut self) {
        if !matches!(self.machine.state, Loading | QrReady | Authenticated) || !self.may_link() {
            return;
        }
        if self.machine.state != QrReady {
            self.enter(QrReady, "WhatsApp asks for the account's passkey");
        }
        self.timer(None);
        self.machine.passkey = true;
    }

    /// A page that wants to be linked shows that the login is gone. Returns false if linking again
    /// has to be decided by a person.
    fn may_link(&mut self) -> bool {
        if !self.machine.linked {
            return true;
        }
        self.machine.linked = false;
        let reason = "WhatsApp asks for a new scan: the login of this profile is gone";
        if !self.rules.relink {
            self.close();
        }
        self.enter(AuthFailure, reason);
        self.rules.relink
    }

    fn navigated(&mut self) {
        if matches!(
            self.machine.state,
            Ready | Authenticated | QrReady | Reconnecting
        ) {
            self.mended();
            self.enter(Loading, "the page was loaded anew");
        }
        if self.machine.state == Loading {
            // Each reload restarts the deadline, so a page that reloads forever would never exceed
            // it.
            self.machine.reloads += 1;
            if self.machine.reloads > self.rules.reload_limit {
                return self.lose(&format!(
                    "the page loaded itself anew {} times and did not come up",
                    self.rules.reload_limit
                ));
            }
            self.timer(Some(Wait::Deadline(self.rules.boot_timeout)));
        }
    }

    fn logged_out(&mut self, reason: &str) {
        // The log-out is reported up to three times: before the page reloads, at the reload, and
        // after it.
        if !self.machine.linked {
            return;
        }
        self.machine.linked = false;
        self.mended();
        if self.rules.relink {
            // The page reloads itself and shows a QR code; the browser stays.
            self.enter(Disconnected, reason);
            self.enter(Loading, "waiting for a new QR");
            self.timer(Some(Wait::Deadline(self.rules.boot_timeout)));
        } else {
            self.close();
            self.enter(Disconnected, reason);
        }
    }

    /// The newest browser of a login wins, so one reload takes the login back. If it is lost again,
    /// another browser is really in use.
    fn replaced(&mut self) {
        if self.machine.state == Loading {
            // The page from before the reload is still reporting.
        } else if self.machine.reclaimed {
            self.fail("the same WhatsApp login is open in another browser; close that one, then reconnect");
        } else {
            self.machine.reclaimed = true;
            self.reload("the same login was opened elsewhere: taking it back once");
        }
    }

    fn reload(&mut self, reason: &str) {
        self.mended();
        self.enter(Loading, reason);
        self.timer(Some(Wait::Deadline(self.rules.boot_timeout)));
        self.effects.push(Effect::Reload);
    }

    fn tick(&mut self) {
        match self.machine.state {
            Disconnected => self.launch("the ban is over"),
            Loading => self.lose(&format!(
                "the page did not come up within {:?}",
                self.rules.boot_timeout
            )),
            Authenticated => self.lose(&format!(
                "the first sync did not end within {:?}",
                self.rules.sync_timeout
            )),
            Ready if self.machine.mending => {
                self.enter(
                    Reconnecting,
                    "WhatsApp's connection is lost; the page is reconnecting",
                );
                self.timer(Some(Wait::Deadline(self.rules.mend_timeout)));
            }
            Ready => {
                self.machine.attempt = 0;
                self.machine.reclaimed = false;
            }
            Reconnecting if self.machine.mending => {
                self.lose("the page neither reconnected nor received what had arrived in time")
            }
            Reconnecting | MaxReconnectExceeded => {
                let reason = format!(
                    "attempt {} of {}",
                    self.machine.attempt, self.rules.max_attempts
                );
                self.launch(&reason);
            }
            QrReady | AuthFailure | Error => {}
        }
    }

    /// A failure that another attempt may fix.
    fn lose(&mut self, reason: &str) {
        self.close();
        if self.machine.attempt >= self.rules.max_attempts {
            self.enter(MaxReconnectExceeded, reason);
            self.timer(self.rules.slow_delay.map(Wait::Pause));
        } else {
            self.machine.attempt += 1;
            self.enter(Reconnecting, reason);
            self.timer(Some(Wait::Pause(self.rules.delay(self.machine.attempt))));
        }
    }

    /// A failure that no attempt fixes.
    fn fail(&mut self, reason: &str) {
        self.close();
        self.enter(Error, reason);
    }

    fn close(&mut self) {
        self.mended();
        if std::mem::take(&mut self.machine.open) {
            self.effects.push(Effect::Close);
        }
        self.timer(None);
    }

    fn timer(&mut self, wait: Option<Wait>) {
        self.effects
            .retain(|effect| !matches!(effect, Effect::Timer(_)));
        self.effects.push(Effect::Timer(wait));
    }

    fn enter(&mut self, after: SessionState, reason: &str) {
        let before = std::mem::replace(&mut self.machine.state, after);
        if after != Loading {
            self.machine.reloads = 0;
        }
        self.machine.passkey &= after == QrReady;
        if before != after {
            self.effects.push(Effect::Enter {
                before,
                after,
                reason: reason.to_owned(),
            });
        }
    }
}
