//! The one door to WhatsApp Web: what `session` and `outbox` may ask of a page, and what it tells them.
//!
//! Both are traits and plain values, so the state machine and the outbox are tested without a browser.
//! A call says what it *started*; how it *ended* comes as an event, because the page may be
//! reloaded or die in between and the answer must not hang on one call.

use std::{
    fmt::{self, Debug},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::passkey::{PasskeyNews, PasskeyOrder};
use crate::model::{Account, AckLevel, Address, ClientId, Content, InboundMessage, MessageId, PhoneNumber, Recipient, Timestamp};

/// A running page of one session.
///
/// Every call has its own deadline inside and ends; a [`PageError`] never means that a login is bad.
#[async_trait]
pub trait Page: Send + Sync + Debug {
    /// What the page says of itself now. Cheap; used by health checks.
    async fn status(&self) -> Result<PageStatus, PageError>;

    /// What of the contract with this build of WhatsApp Web holds.
    async fn contract(&self) -> Result<ContractReport, PageError>;

    /// Looks a number up at WhatsApp. `Ok(None)` is WhatsApp's answer "not on WhatsApp"; a failed
    /// look-up is an error and says nothing about the number.
    async fn resolve(&self, number: &PhoneNumber) -> Result<Option<Address>, PageError>;

    /// Both forms of a chat's address, as far as this page knows them without asking anybody.
    async fn address(&self, chat: &str) -> Result<Address, PageError>;

    /// Those of the recipients with whom there has been a conversation, as far as this page knows without asking anybody.
    async fn established(&self, recipients: &[Recipient]) -> Result<Vec<Recipient>, PageError>;

    /// Shows the other side of a chat that somebody types, and ends when that is over. It works as long as the page wants
    /// to: no send depends on it.
    async fn typing(&self, chat: &str, how_long: Duration) -> Result<(), PageError>;

    /// Asks for the preview of a message's link, which the phone makes, and keeps it for [`Page::send`] of the same id. It
    /// ends in a few seconds, whatever became of it; nobody is sent anything.
    async fn preview(&self, send: &PageSend) -> Result<(), PageError>;

    /// Puts a message of whatever kind with our own id into the page's queue; `Ok` means the page has stored it durably,
    /// not that the server has it: that comes as [`PageEvent::Send`]. A kind that the page cannot make is refused.
    async fn send(&self, send: &PageSend) -> Result<Stored, PageError>;

    /// Looks an own message up by its bare id. None: it never left this profile.
    async fn find(&self, id: &MessageId, chat: &str) -> Result<Option<Found>, PageError>;

    /// Sends a message again that the page knows but the server never took, under the same id.
    async fn resend(&self, id: &MessageId, chat: &str) -> Result<(), PageError>;

    /// Begins to tell what arrived at or after `since` as [`PageEvent::Missed`], also what was told before;
    /// [`PageEvent::CaughtUp`] follows. One that still goes on is given up for this one.
    async fn catch_up(&self, since: Timestamp) -> Result<(), PageError>;

    /// Says that so many more of the messages that were told, [`PageEvent::Message`] and [`PageEvent::Missed`] in their
    /// order, are recorded: a page tells only a few of them ahead.
    async fn recorded(&self, messages: usize) -> Result<(), PageError>;

    /// Asks for a fresh batch of QR codes.
    async fn refresh_qr(&self) -> Result<(), PageError>;

    /// Asks for a code that the owner of `number` types on the phone to link it. It is told as
    /// [`PageEvent::PairingCode`] too, and so are those that replace it; no QR can be scanned meanwhile.
    async fn pairing_code(&self, number: &PhoneNumber) -> Result<PairingCode, PageError>;

    /// Gives the code up and goes back to QR codes.
    async fn cancel_pairing(&self) -> Result<(), PageError>;

    /// Tells the page something about a passkey it asks for; `Ok` means that it was taken. A page that does not wait for
    /// that refuses.
    async fn passkey(&self, order: &PasskeyOrder) -> Result<(), PageError>;

    /// Unlinks the account and waits until the page says so or is reloaded.
    async fn logout(&self) -> Result<(), PageError>;

    /// Loads the page again.
    async fn reload(&self) -> Result<(), PageError>;

    /// The browser behind it.
    async fn browser(&self) -> BrowserReport;

    /// Closes the browser cleanly, so that the login is flushed to disk; kills it only after a grace
    /// time. The event channel ends afterwards.
    async fn close(&self);
}

/// Starts pages.
#[async_trait]
pub trait Launcher: Send + Sync + Debug {
    /// Starts a browser on the session's profile and opens the page. `Ok` means the navigation was begun;
    /// what the page is comes as events. The channel ends when the browser is gone.
    async fn launch(&self, client: &ClientId) -> Result<Launched, LaunchError>;
}

/// A browser that was started.
#[derive(Debug)]
pub struct Launched {
    /// Its page.
    pub page: Arc<dyn Page>,
    /// Its news, in order.
    pub events: mpsc::Receiver<PageEvent>,
}

/// A message to send, as the bridge gets it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PageSend {
    /// Our own, stored before.
    pub id: MessageId,
    /// As [`Page::resolve`] gave it, or a group's.
    pub chat: String,
    /// What it says.
    pub content: Content,
    /// Bare id of the message it answers; it must be in the same chat.
    pub reply_to: Option<MessageId>,
}

/// The page has a message in its own database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The chat it really is in: LID or number, as the account has it.
    pub address: Address,
    /// The serialized key, `true_<chat>_<id>`.
    pub key: String,
    /// The id was known before: nothing was queued, look at its state.
    pub duplicate: bool,
}

/// An own message found in the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it is.
    pub address: Address,
    /// The serialized key.
    pub key: String,
    /// None: the server has not taken it.
    pub ack: Option<AckLevel>,
    /// The page has given up on it (or it was unsent at a reload): it goes nowhere without [`Page::resend`].
    pub failed: bool,
}

/// News of a page.
#[derive(Debug, Clone, PartialEq)]
pub enum PageEvent {
    /// Something about the connection changed; always the whole truth of that moment.
    Status(PageStatus),
    /// A QR can be scanned.
    Qr {
        /// Its text: a credential.
        code: String,
        /// From now.
        ttl: Duration,
    },
    /// The batch of QR codes is used up.
    QrExhausted,
    /// A code can be typed on the phone; the one before it is dead.
    PairingCode(PairingCode),
    /// No code can be typed any more, for this reason.
    PairingEnded(String),
    /// News of a passkey that WhatsApp asks for.
    Passkey(PasskeyNews),
    /// News of an own message.
    Send(SendNews),
    /// A message arrived or was typed on the phone.
    Message(InboundMessage),
    /// A message that the page has had for some time; nobody may have been told of it.
    Missed(InboundMessage),
    /// All that [`Page::catch_up`] found was told. `complete`: that was everything; false: there is more than could be read;
    /// none: some of it could not be read now.
    CaughtUp {
        /// See above.
        complete: Option<bool>,
    },
    /// Something in the bridge went wrong; what it was about is not told, or told as unknown.
    Fault(Fault),
    /// The login is going or gone, with WhatsApp's reason.
    LoggedOut(String),
    /// A temporary ban.
    Banned {
        /// When it ends, if it was said.
        until: Option<Timestamp>,
        /// WhatsApp's code.
        code: String,
    },
    /// The main frame was loaded anew; everything in the old one is gone.
    Navigated,
    /// The renderer died.
    Crashed(String),
    /// The browser is gone.
    Closed(String),
}

/// A fault of the bridge. Names no words of the error: they may be somebody's message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where in the bridge.
    pub place: String,
    /// The kind of the error, e.g. `TypeError`.
    pub error: String,
    /// How often since it was told last; at least 1.
    pub count: u64,
}

/// A code that links when it is typed on the phone.
#[derive(Clone, PartialEq, Eq)]
pub struct PairingCode {
    /// As people read it, `ABCD-EFGH`: a credential.
    pub code: String,
    /// From now.
    pub ttl: Duration,
}

impl fmt::Debug for PairingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PairingCode").field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

/// News of an own message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendNews {
    /// Bare id.
    pub id: MessageId,
    /// The chat it is in.
    pub address: Address,
    /// What happened.
    pub what: SendProgress,
}

/// How far an own message has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendProgress {
    /// Acknowledged up to this level.
    Ack(AckLevel),
    /// Refused; it will not leave by itself.
    Refused {
        /// WhatsApp's nack code, when it was given (463, 475, …).
        code: Option<u32>,
        /// When the restriction that the code means ends, if WhatsApp said so.
        until: Option<Timestamp>,
        /// The page's own words, e.g. `ERROR_UNKNOWN`.
        reason: String,
    },
}

/// Where a page stands: each bit read from WhatsApp Web itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct PageStatus {
    /// `Debug.VERSION`, e.g. `2.3000.1038137223`.
    pub version: Option<String>,
    /// `Socket.state`.
    pub socket: Option<String>,
    /// `Socket.stream`.
    pub stream: Option<String>,
    /// `Stream.mode`.
    pub mode: Option<String>,
    /// Credentials exist.
    pub registered: bool,
    /// The first sync is done.
    pub has_synced: bool,
    /// No socket exists though the state says connected: another browser uses the same login.
    pub replaced: bool,
    /// WhatsApp wants a reload for a new version.
    pub needs_update: bool,
    /// WhatsApp has refused this version (405, 409); the page is about to load itself anew.
    pub outdated: bool,
    /// The page has ended its connection for good: nothing passes, whatever state and stream say.
    pub stopped: bool,
    /// A dialog covers the page. Sends do not go through what it covers.
    pub modal: bool,
    /// WhatsApp lets this account write to nobody new for a while (463).
    pub time_lock: Option<TimeLock>,
    /// The page can say whether there is a time lock. False: that it names none means nothing.
    pub time_lock_known: bool,
    /// Sync progress in percent, while known.
    pub sync_percent: Option<u8>,
    /// Me.
    pub account: Option<Account>,
    /// Names of contract entries that are missing though the page has synced.
    pub broken: Vec<String>,
    /// Since when, in milliseconds since the epoch, the oldest message waits to be told and recorded; none: no one waits. In
    /// answers of [`Page::status`] alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub untold_since: Option<Timestamp>,
}

/// The reach-out time lock, as the page knows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TimeLock {
    /// When it ends, in milliseconds since the epoch, if WhatsApp said so.
    pub until: Option<Timestamp>,
}

/// What a [`PageStatus`] amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Still booting or connecting.
    Booting,
    /// Waits for a scan.
    NeedsLink,
    /// Linked, not yet synced.
    Syncing,
    /// Able to send.
    Ready,
    /// Linked and synced, but the socket is gone; the page mends that itself.
    Offline,
    /// The same login was opened elsewhere.
    Replaced,
    /// WhatsApp refuses this version of its page: only a page loaded anew works.
    Outdated,
}

impl PageStatus {
    /// Ready = registered, synced, main mode, stream connected, connection not ended: positive proof, not one library event.
    #[must_use]
    pub fn stage(&self) -> Stage {
        let socket = self.socket.as_deref().unwrap_or("");
        let stream = self.stream.as_deref().unwrap_or("");
        if self.replaced {
            return Stage::Replaced;
        }
        if self.outdated {
            return Stage::Outdated;
        }
        if matches!(socket, "UNPAIRED" | "UNPAIRED_IDLE") && !self.registered {
            return Stage::NeedsLink;
        }
        if !self.registered {
            return Stage::Booting;
        }
        match (self.has_synced, stream) {
            (true, "CONNECTED") if self.mode.as_deref() == Some("MAIN") && !self.stopped => Stage::Ready,
            (true, _) => Stage::Offline,
            (false, _) if socket == "CONNECTED" => Stage::Syncing,
            (false, _) => Stage::Booting,
        }
    }
}

/// What of the contract with WhatsApp Web holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ContractReport {
    /// `Debug.VERSION` the report is about.
    pub version: Option<String>,
    /// How modules are found: `map` (the loader's own), or `import` where that cannot be used any more.
    pub loader: String,
    /// Fields that this build calls otherwise than the builds known so far.
    pub renamed: Vec<Renamed>,
    /// One line per capability.
    pub capabilities: Vec<Capability>,
}

/// One thing the gateway can do with this build of the page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Capability {
    /// E.g. `send_text`.
    pub name: String,
    /// What is lost without it, in words.
    pub feature: String,
    /// It works.
    pub ok: bool,
    /// `Module.export` names that are missing or of the wrong kind.
    pub missing: Vec<String>,
}

/// A field that is found by what it holds, because it has another name now.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Renamed {
    /// The object, e.g. `MsgKey`.
    pub what: String,
    /// Its name so far.
    pub expected: String,
    /// Its name in this build; none: nothing of the object holds this.
    pub now: Option<String>,
}

/// The browser behind a page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BrowserReport {
    /// Process id of the main process.
    pub pid: Option<u32>,
    /// E.g. `Chrome/156.0.8078.79`.
    pub version: Option<String>,
    /// Private memory of the process tree (anonymous + shared-memory PSS), in bytes.
    pub memory_bytes: Option<u64>,
    /// Processes in the tree.
    pub processes: Option<u32>,
    /// Processor time its processes have used so far, in milliseconds. Those that have ended are not counted.
    pub cpu_millis: Option<u64>,
}

/// Why a page did not do what it was asked. What was begun may have been done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PageError {
    /// The page is being loaded; it has begun nothing.
    #[error("the page is still being loaded and has not begun {what}")]
    Booting {
        /// The call.
        what: &'static str,
    },
    /// No answer in time.
    #[error("the page did not answer {what} within {limit:?}")]
    Timeout {
        /// What was asked.
        what: &'static str,
        /// How long was waited.
        limit: Duration,
    },
    /// The page was reloaded or closed while it worked.
    #[error("the page went away during {what}: {reason}")]
    Gone {
        /// What was asked.
        what: &'static str,
        /// The browser's words.
        reason: String,
    },
    /// This build of WhatsApp Web lacks what is needed: nothing was begun.
    #[error("this build of WhatsApp Web lacks {missing:?}, needed for {what}")]
    ContractBroken {
        /// What was asked.
        what: &'static str,
        /// `Module.export` names.
        missing: Vec<String>,
    },
    /// WhatsApp has been asked too often; minutes later it may be asked again.
    #[error("WhatsApp was asked for {what} too often; wait some minutes")]
    RateLimited {
        /// What was asked.
        what: &'static str,
    },
    /// WhatsApp does not offer it to this number or this client.
    #[error("WhatsApp does not offer {what} here; scan a QR instead")]
    NotAvailable {
        /// What was asked.
        what: &'static str,
    },
    /// The message to be answered is not in the chat or may not be answered: nothing was begun.
    #[error("the message to answer cannot be quoted: {reason}")]
    QuoteNotFound {
        /// Which of both.
        reason: String,
    },
    /// This account has no such chat, e.g. is not in that group: nothing was begun.
    #[error("this account has no chat of that id: it is in no such group")]
    NoSuchChat,
    /// WhatsApp Web refused before anything was stored: nothing was begun.
    #[error("WhatsApp Web refused {what}: {reason}")]
    Refused {
        /// What was asked.
        what: &'static str,
        /// Its words, without message text.
        reason: String,
    },
}

/// Why no page could be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// A retry cannot mend it.
    #[error("no Chromium: {0}")]
    NoBrowser(String),
    /// Another live process holds the profile.
    #[error("the profile {profile} is in use by process {pid}")]
    ProfileInUse {
        /// The directory.
        profile: PathBuf,
        /// Its owner.
        pid: i32,
    },
    /// The profile directory cannot be used, with what is wrong and what to do.
    #[error("the profile cannot be used: {0}")]
    Profile(String),
    /// Chromium came up wrongly; a later attempt may work.
    #[error("Chromium did not start: {0}")]
    Failed(String),
    /// The page could not be opened (DNS, network, TLS); a later attempt may work.
    #[error("cannot reach {url}: {reason}")]
    Unreachable {
        /// Where.
        url: String,
        /// The browser's words.
        reason: String,
    },
}
