//! The interface that starts pages.

use std::{fmt::Debug, path::PathBuf, sync::Arc};

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::page::{Page, PageEvent};
use crate::model::ClientId;

/// Starts pages.
#[async_trait]
pub trait Launcher: Send + Sync + Debug {
    /// Starts a browser on the session's profile and opens the page. `Ok` means that the navigation
    /// has begun; the state of the page arrives as events. The event channel ends when the browser
    /// is gone.
    async fn launch(&self, client: &ClientId) -> Result<Launched, LaunchError>;
}

/// A browser that has been started.
#[derive(Debug)]
pub struct Launched {
    /// Its page.
    pub page: Arc<dyn Page>,
    /// The events of the page, in order.
    pub events: mpsc::Receiver<PageEvent>,
}

/// Why no page could be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// There is no Chromium; a retry does not help.
    #[error("no Chromium: {0}")]
    NoBrowser(String),
    /// Another live process holds the profile.
    #[error("the profile {profile} is in use by process {pid}")]
    ProfileInUse {
        /// The profile directory.
        profile: PathBuf,
        /// The process that uses it.
        pid: i32,
    },
    /// The profile directory cannot be used; says what is wrong and what to do.
    #[error("the profile cannot be used: {0}")]
    Profile(String),
    /// Chromium did not start properly; a later attempt may succeed.
    #[error("Chromium did not start: {0}")]
    Failed(String),
    /// The page could not be opened (DNS, network, TLS); a later attempt may succeed.
    #[error("cannot reach {url}: {reason}")]
    Unreachable {
        /// The address.
        url: String,
        /// The browser's error text.
        reason: String,
    },
}
