//! What the rest of the gateway sees of a session: a snapshot, and a few commands.

mod pairing;
mod passkey;

use std::{fmt, sync::Arc, time::Duration};

use serde::Serialize;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};

pub use self::{pairing::PairingError, passkey::PasskeyError};
use super::{
    pairing::PairingView,
    passkey::{PasskeyView, PastPasskey},
};
use crate::{
    model::{Account, ClientId, SessionState, Timestamp},
    whatsapp::{BrowserReport, ContractReport, Page, PageSending, PageStatus},
};

/// The page itself waits 12 s for the server's word.
const LOGOUT_LIMIT: Duration = Duration::from_secs(20);

/// A session at one moment.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// Where it stands.
    pub state: SessionState,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
    /// The QR that can be scanned now.
    pub qr: Option<QrView>,
    /// The code that can be typed on the phone now.
    pub pairing: Option<PairingView>,
    /// The passkey that WhatsApp asks for, or why it was asked for in vain.
    pub passkey: Option<PasskeyView>,
    /// Tokens of challenges that are over, oldest first.
    pub past_passkeys: Vec<PastPasskey>,
    /// The profile holds a login, as far as is known.
    pub linked: bool,
    /// Me, as far as known.
    pub account: Option<Account>,
    /// What an operator should know although nothing is broken, for people.
    pub notices: Vec<String>,
    /// Failed attempts since the last reset.
    pub attempt: u32,
    /// When the next attempt begins.
    pub next_attempt_at: Option<Timestamp>,
    /// Launches of a browser since the gateway started.
    pub launches: u64,
    /// What the page last said of itself.
    pub page: Option<PageStatus>,
    /// What of the contract with WhatsApp Web holds.
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

/// A QR that can be scanned now.
#[derive(Clone, PartialEq, Eq)]
pub struct QrView {
    /// Its text: a credential.
    pub code: String,
    /// After this it is dead.
    pub expires_at: Timestamp,
    /// 1 for the first of this linking.
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
    /// When.
    #[serde(skip)]
    pub at: Timestamp,
    /// Everything answered and was as it should be.
    #[serde(skip)]
    pub ok: bool,
    /// What was wrong, or `ok`.
    pub detail: String,
    /// How long the page took to answer, in milliseconds.
    pub page_millis: u64,
    /// Processor time of the browser since the last check, in percent of one core.
    pub cpu_percent: Option<u32>,
    /// The browser.
    pub browser: Option<BrowserReport>,
}

/// What a session can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// Start, unless it runs or is about to.
    Start,
    /// Try now, from whatever state, and forget earlier failures.
    Reconnect,
    /// Close the browser and stay so.
    Stop,
    /// Ask WhatsApp to end the login.
    Logout,
    /// Ask for a fresh passkey challenge, where one has just expired.
    PasskeyAgain,
    /// Give a passkey ceremony up.
    PasskeyCancel,
    /// As [`Command::Stop`], answered when the browser is gone; the session ends.
    Shutdown,
}

/// A command, and where to say that it was taken.
pub(super) type Order = (Command, oneshot::Sender<()>);

/// Why a login could not be ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LogoutError {
    /// Only a running, linked page can tell WhatsApp.
    #[error(
        "the session is {0}: only a ready session can be logged out; start it first, or remove the device on the phone"
    )]
    NotLinked(SessionState),
    /// It was asked and did not say so in time.
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
    /// Whose.
    #[must_use]
    pub fn client(&self) -> &ClientId {
        &self.client
    }

    /// The session now, and its changes.
    #[must_use]
    pub fn snapshot(&self) -> watch::Receiver<Snapshot> {
        self.snapshot.clone()
    }

    /// The page while the session is ready: what the outbox sends by.
    #[must_use]
    pub fn ready_page(&self) -> watch::Receiver<Option<Arc<dyn PageSending>>> {
        self.ready_page.clone()
    }

    /// The browser behind it, while there is one.
    pub async fn browser(&self) -> Option<BrowserReport> {
        let page = self.any_page.borrow().clone()?;
        Some(page.browser().await)
    }

    /// Tells it something; returns once the session has taken it ([`Command::Shutdown`]: once the
    /// browser is gone).
    pub async fn tell(&self, command: Command) {
        let (done, taken) = oneshot::channel();
        // Fails only when the supervisor has ended, and so does the waiting.
        let _ = self.commands.send((command, done)).await;
        let _ = taken.await;
    }

    /// Ends the login and waits until WhatsApp has confirmed it.
    ///
    /// # Errors
    /// See [`LogoutError`]; the login stays then, as far as is known.
    pub async fn logout(&self) -> Result<(), LogoutError> {
        let mut snapshot = self.snapshot.clone();
        let state = snapshot.borrow_and_update().state;
        if !matches!(state, SessionState::Authenticated | SessionState::Ready) {
            return Err(LogoutError::NotLinked(state));
        }
        self.tell(Command::Logout).await;
        let gone = timeout(LOGOUT_LIMIT, snapshot.wait_for(|now| !now.linked)).await;
        // A supervisor that ends meanwhile confirms nothing.
        if matches!(gone, Ok(Ok(_))) {
            Ok(())
        } else {
            Err(LogoutError::NotConfirmed(LOGOUT_LIMIT))
        }
    }
}
