//! The handle of a session for the rest of the gateway: its snapshot and its commands.

mod ask;
mod pairing;
mod passkey;

use std::{fmt, sync::Arc, time::Duration};

use serde::Serialize;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};

pub use self::{ask::AskError, passkey::PasskeyError};
use super::{
    pairing::PairingView,
    passkey::{PasskeyView, PastPasskey},
};
use crate::{
    model::{Account, ClientId, SessionState, Timestamp},
    whatsapp::{BrowserReport, ContractReport, Page, PageSending, PageStatus},
};

/// How long to wait for the confirmation of a log-out; the call into the page takes at most 12 s of
/// it.
const LOGOUT_LIMIT: Duration = Duration::from_secs(20);

/// The state of a session at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The state.
    pub state: SessionState,
    /// Why the session is in this state.
    pub reason: String,
    /// When it entered this state.
    pub since: Timestamp,
    /// The QR code that can be scanned now.
    pub qr: Option<QrView>,
    /// The pairing code that can be typed on the phone now.
    pub pairing: Option<PairingView>,
    /// The passkey ceremony in progress, or the one that failed last.
    pub passkey: Option<PasskeyView>,
    /// Helper-page tokens of challenges that have ended, oldest first.
    pub past_passkeys: Vec<PastPasskey>,
    /// The profile holds a login, as far as is known.
    pub linked: bool,
    /// The account, as far as known.
    pub account: Option<Account>,
    /// Conditions that an operator should know although nothing is broken, as text for people.
    pub notices: Vec<String>,
    /// Failed attempts since the last reset.
    pub attempt: u32,
    /// When the next attempt begins.
    pub next_attempt_at: Option<Timestamp>,
    /// Launches of a browser since the gateway started.
    pub launches: u64,
    /// The last status of the page.
    pub page: Option<PageStatus>,
    /// The last report on the contract with WhatsApp Web.
    pub contract: Option<ContractReport>,
}

impl Snapshot {
    pub(super) fn new(reason: &str) -> Self {
        Self {
            state: SessionState::Disconnected,
            reason: reason.to_owned(),
            since: Timestamp::now(),
            qr: None,
            pairing: None,
            passkey: None,
            past_passkeys: Vec::new(),
            linked: false,
            account: None,
            notices: Vec::new(),
            attempt: 0,
            next_attempt_at: None,
            launches: 0,
            page: None,
            contract: None,
        }
    }
}

/// A QR code that can be scanned now.
#[derive(Clone, PartialEq, Eq)]
pub struct QrView {
    /// The text of the QR code. It is a credential.
    pub code: String,
    /// When it expires.
    pub expires_at: Timestamp,
    /// The number of the code, counted from 1 for each linking.
    pub attempt: u32,
}

impl fmt::Debug for QrView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QrView")
            .field("expires_at", &self.expires_at)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

/// The outcome of one health check.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthNote {
    /// When it was made.
    #[serde(skip)]
    pub at: Timestamp,
    /// Whether the page answered and was in the expected state.
    #[serde(skip)]
    pub ok: bool,
    /// What was wrong, or `ok`.
    pub detail: String,
    /// How long the page took to answer, in milliseconds.
    pub page_millis: u64,
    /// Processor time of the browser since the last check, in percent of one core.
    pub cpu_percent: Option<u32>,
    /// Measurements of the browser.
    pub browser: Option<BrowserReport>,
}

/// A command to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Start, unless it is running or waits for its next attempt.
    Start,
    /// Start a new browser now, from any state, and reset the count of failed attempts.
    Reconnect,
    /// Close the browser and keep the session stopped.
    Stop,
    /// Ask WhatsApp to end the login.
    Logout,
    /// Ask for a new passkey challenge, if one has just expired.
    PasskeyAgain,
    /// Cancel a passkey ceremony.
    PasskeyCancel,
    /// Like [`Command::Stop`], but answered when the browser is gone; the supervisor ends.
    Shutdown,
}

/// A command, and the channel on which it is confirmed.
pub(super) type Order = (Command, oneshot::Sender<()>);

/// Why a log-out failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LogoutError {
    /// Only a running, linked page can tell WhatsApp.
    #[error(
        "the session is {0}: only a ready session can be logged out; start it first, or remove the device on the phone"
    )]
    NotLinked(SessionState),
    /// WhatsApp was asked and did not confirm in time.
    #[error("WhatsApp did not confirm the log-out within {0:?}")]
    NotConfirmed(Duration),
}

/// A session's handle. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SessionHandle {
    pub(super) client: ClientId,
    pub(super) commands: mpsc::Sender<Order>,
    pub(super) snapshot: watch::Receiver<Snapshot>,
    pub(super) ready_page: watch::Receiver<Option<Arc<dyn PageSending>>>,
    pub(super) any_page: watch::Receiver<Option<Arc<dyn Page>>>,
}

impl SessionHandle {
    /// The client that the session belongs to.
    #[must_use]
    pub fn client(&self) -> &ClientId {
        &self.client
    }

    /// A watch on the snapshot: the current one, and its changes.
    #[must_use]
    pub fn snapshot(&self) -> watch::Receiver<Snapshot> {
        self.snapshot.clone()
    }

    /// A watch on the page while the session is ready; the outbox sends through it.
    #[must_use]
    pub fn ready_page(&self) -> watch::Receiver<Option<Arc<dyn PageSending>>> {
        self.ready_page.clone()
    }

    /// Measurements of the browser, while there is one.
    pub async fn browser(&self) -> Option<BrowserReport> {
        let page = self.any_page.borrow().clone()?;
        Some(page.browser().await)
    }

    /// Sends a command; returns once the session has accepted it ([`Command::Shutdown`]: once the
    /// browser is gone).
    pub async fn tell(&self, command: Command) {
        let (done, taken) = oneshot::channel();
        // This fails only when the supervisor has ended; then the wait below ends too.
        let _ = self.commands.send((command, done)).await;
        let _ = taken.await;
    }

    /// Ends the login and waits until WhatsApp has confirmed it.
    ///
    /// # Errors
    /// See [`LogoutError`]; as far as is known, the login is kept then.
    pub async fn logout(&self) -> Result<(), LogoutError> {
        let mut snapshot = self.snapshot.clone();
        let state = snapshot.borrow_and_update().state;
        if !matches!(state, SessionState::Authenticated | SessionState::Ready) {
            return Err(LogoutError::NotLinked(state));
        }
        self.tell(Command::Logout).await;
        let gone = timeout(LOGOUT_LIMIT, snapshot.wait_for(|now| !now.linked)).await;
        // A supervisor that ends meanwhile has not confirmed anything.
        if matches!(gone, Ok(Ok(_))) {
            Ok(())
        } else {
            Err(LogoutError::NotConfirmed(LOGOUT_LIMIT))
        }
    }
}
