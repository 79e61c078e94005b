//! How a page is started.

use std::{fmt::Debug, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::page::{Page, PageEvent};
use crate::model::ClientId;

/// Starts pages.
#[async_trait]
pub trait Launcher: Send + Sync + Debug {
    /// Starts a browser on the session's profile and opens the page. `Ok` means the navigation was
    /// begun; what the page is comes as events. The channel ends when the browser is gone.
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
