//! The results that reach the supervisor's loop.

use tokio::sync::OwnedSemaphorePermit;

use crate::{
    session::Arrival,
    whatsapp::{
        BrowserReport, ContractReport, LaunchError, Launched, PageError, PageEvent, PageStatus,
        SendNews,
    },
};

/// A launched browser with the permit for its profile.
pub(super) struct Start {
    pub(super) launched: Launched,
    pub(super) permit: OwnedSemaphorePermit,
}

/// An event of the page, or the result of a task.
pub(super) enum Done {
    Event(PageEvent),
    /// Progress of sends that arrived together; recorded together, they share a commit.
    Sends(Vec<SendNews>),
    /// Messages that arrived together.
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
        /// How many statuses the page had reported when this check began.
        after: u64,
        page_millis: u64,
        result: Result<PageStatus, PageError>,
        browser: BrowserReport,
    },
    Nothing,
}
