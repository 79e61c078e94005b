//! The life of a page: where it stands, what of it works, its reload and its end.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    error::PageError,
    question::{PageChannel, Question, ask},
};
use crate::{
    model::{Account, Timestamp},
    whatsapp::window::Ticket,
};

/// A page, as far as its session keeps it alive.
#[async_trait]
pub trait PageLife: PageChannel {
    /// What the page says of itself now. Cheap; used by health checks.
    async fn status(&self) -> Result<PageStatus, PageError>;

    /// What of the contract with this build of WhatsApp Web holds.
    async fn contract(&self) -> Result<ContractReport, PageError> {
        ask(self, &Contract).await
    }

    /// Loads the page again.
    async fn reload(&self) -> Result<(), PageError>;

    /// The browser behind it.
    async fn browser(&self) -> BrowserReport;

    /// Closes the browser cleanly, so that the login is flushed to disk; kills it only after a
    /// grace time. The event channel ends afterwards.
    async fn close(&self);
}

/// Asks for the status, and names the last message that is recorded.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(in crate::whatsapp) struct Status(pub(in crate::whatsapp) Option<Ticket>);

impl Question for Status {
    const NAME: &'static str = "status";
    type Answer = PageStatus;
}

#[derive(Serialize)]
struct Contract;

impl Question for Contract {
    const NAME: &'static str = "contract";
    type Answer = ContractReport;
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
    /// The account of this page, once it is linked.
    pub account: Option<Account>,
    /// Names of contract entries that are missing though the page has synced.
    pub broken: Vec<String>,
    /// Since when, in milliseconds since the epoch, the oldest message waits to be told and
    /// recorded; none: no one waits. In answers of [`PageLife::status`] alone.
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
    /// Ready = registered, synced, main mode, stream connected, connection not ended: positive
    /// proof, not one library event.
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
            (true, "CONNECTED") if self.mode.as_deref() == Some("MAIN") && !self.stopped => {
                Stage::Ready
            }
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
    /// How modules are found: `map` (the loader's own), or `import` where that cannot be used any
    /// more.
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
    /// Processor time its processes have used so far, in milliseconds. Those that have ended are
    /// not counted.
    pub cpu_millis: Option<u64>,
}
