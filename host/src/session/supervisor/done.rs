//! What the tasks of a supervisor bring back.

use tokio::sync::OwnedSemaphorePermit;

use crate::{
    session::Arrival,
    whatsapp::{
        BrowserReport, ContractReport, LaunchError, Launched, PageError, PageEvent, PageStatus,
        SendNews,
    },
};

/// A browser with the right to its profile.
pub(super) struct Start {
    pub(super) launched: Launched,
    pub(super) permit: OwnedSemaphorePermit,
}

/// What a task brought back.
pub(super) enum Done {
    Event(PageEvent),
    /// News of sends that came one behind the other: noted together, they share a commit.
    Sends(Vec<SendNews>),
    /// Messages that came one behind the other.
    Messages(Vec<Arrival>),
    Launched {
        generation: u64,
        result: Result<Start, LaunchError>,
    },
    Contract {
        generation: u64,
        result: Result<ContractReport, PageError>,
    },
    /// The page did not begin to catch up.
    NoCatchUp {
        generation: u64,
        error: PageError,
    },
    Health {
        generation: u64,
        page_millis: u64,
        result: Result<PageStatus, PageError>,
        browser: BrowserReport,
    },
    Nothing,
}
