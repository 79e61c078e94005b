//! What the rest of the gateway sees of a session: a snapshot, and a few commands.

use std::{fmt, sync::Arc};

use serde::Serialize;
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    model::{Account, ClientId, SessionState, Timestamp},
    whatsapp::{BrowserReport, ContractReport, Page, PageStatus},
};

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
    /// Me, as far as known.
    pub account: Option<Account>,
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
            account: None,
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
        f.debug_struct("QrView").field("expires_at", &self.expires_at).field("attempt", &self.attempt).finish_non_exhaustive()
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
    /// The browser.
    pub browser: Option<BrowserReport>,
}

/// What a session can be told.
#[derive(Debug)]
pub enum Command {
    /// Try now, from whatever state, and forget earlier failures.
    Reconnect,
    /// Close the browser and stay so.
    Stop,
    /// As [`Command::Stop`], answered when the browser is gone; the session ends.
    Shutdown(oneshot::Sender<()>),
}

/// A session's handle. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SessionHandle {
    pub(super) client: ClientId,
    pub(super) commands: mpsc::UnboundedSender<Command>,
    pub(super) snapshot: watch::Receiver<Snapshot>,
    pub(super) ready_page: watch::Receiver<Option<Arc<dyn Page>>>,
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
    pub fn ready_page(&self) -> watch::Receiver<Option<Arc<dyn Page>>> {
        self.ready_page.clone()
    }

    /// The browser behind it, while there is one.
    pub async fn browser(&self) -> Option<BrowserReport> {
        let page = self.any_page.borrow().clone()?;
        Some(page.browser().await)
    }

    /// Try now, from whatever state, and forget earlier failures.
    pub fn reconnect(&self) {
        self.tell(Command::Reconnect);
    }

    /// Close the browser and stay so.
    pub fn stop(&self) {
        self.tell(Command::Stop);
    }

    /// Close the browser cleanly and end the session; returns when the browser is gone.
    pub async fn shutdown(&self) {
        let (done, gone) = oneshot::channel();
        self.tell(Command::Shutdown(done));
        // An error means that the supervisor has ended already.
        let _ = gone.await;
    }

    fn tell(&self, command: Command) {
        // Only fails when the supervisor has ended, at shutdown.
        let _ = self.commands.send(command);
    }
}
