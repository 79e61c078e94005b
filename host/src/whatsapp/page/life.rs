//! The life of a page: its status, its contract, its reload and its end.

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

/// The calls by which a session keeps its page running.
#[async_trait]
pub trait PageLife: PageChannel {
    /// The current status of the page. Cheap; used by health checks.
    async fn status(&self) -> Result<PageStatus, PageError>;

    /// Which parts of the contract with this build of WhatsApp Web are fulfilled.
    async fn contract(&self) -> Result<ContractReport, PageError> {
        ask(self, &Contract).await
    }

    /// Reloads the page.
    async fn reload(&self) -> Result<(), PageError>;

    /// Measurements of the browser behind the page.
    async fn browser(&self) -> BrowserReport;

    /// Closes the browser cleanly, so that the login is flushed to disk, and kills it only after a
    /// grace time. The event channel ends afterwards.
    async fn close(&self);
}

/// Asks for the status, and names the last message that has been recorded.
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

/// The status of a page, read from WhatsApp Web itself.
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
    /// The page has the credentials of a linked device.
    pub registered: bool,
    /// The first sync has completed.
    pub has_synced: bool,
    /// The page has a login but no socket: another browser uses the same login.
    pub replaced: bool,
    /// WhatsApp asks for a reload to load a new version.
    pub needs_update: bool,
    /// WhatsApp has refused this version (405, 409); the page is about to reload itself.
    pub outdated: bool,
    /// The page has ended its connection for good: nothing passes, whatever `socket` and `stream`
    /// say.
    pub stopped: bool,
    /// A dialog covers the page. Sending does not depend on the part that is covered.
    pub modal: bool,
    /// The reach-out time lock (463): WhatsApp does not let this account write to new contacts for
    /// a while. Absent while there is no lock.
    pub time_lock: Option<TimeLock>,
    /// The page can tell whether there is a time lock. If false, an absent `timeLock` means
    /// nothing.
    pub time_lock_known: bool,
    /// The page is still receiving what arrived while it was not connected. Until it has
    /// everything, it holds back every send.
    pub offline_delivery: bool,
    /// Progress of the sync in percent, while it is known.
    pub sync_percent: Option<u8>,
    /// The account of this page, once it is linked.
    pub account: Option<Account>,
    /// Names of the contract that are missing although the page has synced.
    pub broken: Vec<String>,
    /// Since when the oldest message has been waiting to be reported and recorded, in milliseconds
    /// since the epoch; absent while none waits. Only in answers to a status request, not in
    /// events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub untold_since: Option<Timestamp>,
}

/// The reach-out time lock, as far as the page knows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TimeLock {
    /// When it ends, in milliseconds since the epoch, if WhatsApp said so.
    pub until: Option<Timestamp>,
}

/// The stage that a [`PageStatus`] stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Still booting or connecting.
    Booting,
    /// Waits to be linked by a scan.
    NeedsLink,
    /// Linked, but not yet synced, or still receiving what arrived while it was not connected. It
    /// sends nothing yet.
    Syncing,
    /// Able to send.
    Ready,
    /// Linked and synced, but without a connection; the page reconnects by itself.
    Offline,
    /// The same login is in use in another browser.
    Replaced,
    /// WhatsApp refuses this version of its page; only a freshly loaded page works.
    Outdated,
}

impl PageStatus {
    /// The stage. `Ready` needs positive proof of every part (registered, synced, main mode, stream
    /// connected, connection not ended, offline delivery ended); a single event of the page is not
    /// enough.
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
                if self.offline_delivery {
                    Stage::Syncing
                } else {
                    Stage::Ready
                }
            }
            (true, _) => Stage::Offline,
            (false, _) if socket == "CONNECTED" => Stage::Syncing,
            (false, _) => Stage::Booting,
        }
    }
}

/// Which parts of the contract with WhatsApp Web are fulfilled.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ContractReport {
    /// The version (`Debug.VERSION`) that the report is about.
    pub version: Option<String>,
    /// How modules are found: `map` (the map of the page's own loader), or `import` where that map
    /// can no longer be used.
    pub loader: String,
    /// Fields that have another name in this build than in the builds known so far.
    pub renamed: Vec<Renamed>,
    /// One entry per capability.
    pub capabilities: Vec<Capability>,
}

/// One thing that the gateway can do with this build of the page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Capability {
    /// The name, e.g. `send_text`.
    pub name: String,
    /// What is lost without the capability, in words.
    pub feature: String,
    /// Whether the capability works.
    pub ok: bool,
    /// Modules and exports (`Module.export`) that are missing or of the wrong kind.
    pub missing: Vec<String>,
}

/// A field that has another name in this build. It is found by its value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Renamed {
    /// The object, e.g. `MsgKey`.
    pub what: String,
    /// The name that it had so far.
    pub expected: String,
    /// The name in this build; null if no field of the object has this value.
    pub now: Option<String>,
}

/// The browser behind a page.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct BrowserReport {
    /// Process id of the main process.
    pub pid: Option<u32>,
    /// The product and version, e.g. `Chrome/156.0.8078.79`.
    pub version: Option<String>,
    /// Private memory of the process tree (anonymous and shared-memory PSS), in bytes.
    pub memory_bytes: Option<u64>,
    /// Number of processes in the tree.
    pub processes: Option<u32>,
    /// Processor time that the running processes of the tree have used so far, in milliseconds.
    /// Processes that have ended are not counted.
    pub cpu_millis: Option<u64>,
}
