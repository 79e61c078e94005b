//! The Chromium process and its page, over CDP. Knows no WhatsApp.
//!
//! Chromium is never our own child: a guard process (the same binary, re-executed) is its parent,
//! so that it is closed cleanly also when the gateway is killed. See [`guard`].

mod args;
mod connection;
pub mod guard;
mod launch;
mod lock;
mod options;
mod places;
mod process;
mod shared;
mod tab;
mod text;
mod words;

use std::{path::PathBuf, time::Duration};

pub use args::find_executable;
pub use launch::launch;
pub use lock::{MARKS, ProfileLock, hold_profile, profile_user, was_held};
pub use options::{Guard, LaunchOptions};
pub use process::Report;
pub use shared::SharedBrowser;
pub use tab::{FirstScript, MOST_SAID, Tab};
pub use text::read_json;
pub use words::version;

/// News of a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrowserEvent {
    /// The page called the binding.
    Binding(String),
    /// The page called the binding with more than is taken at a time: so many bytes, which are
    /// gone.
    TooLarge(usize),
    /// The renderer died.
    Crashed(String),
    /// The browser is gone; nothing follows.
    Closed(String),
}

/// Why no browser could be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrowserError {
    /// No Chromium on this machine.
    #[error("{0}")]
    NoBrowser(String),
    /// Another live process uses the profile.
    #[error("the profile {profile} is in use by process {pid}")]
    ProfileInUse {
        /// The directory.
        profile: PathBuf,
        /// Its user.
        pid: i32,
    },
    /// The profile directory cannot be used.
    #[error("the profile {profile} cannot be used: {reason}")]
    Profile {
        /// The directory.
        profile: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Chromium came up wrongly; a later attempt may work.
    #[error("Chromium did not start: {0}")]
    Failed(String),
}

/// Why a page did not do what it was told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TabError {
    /// The page could not be opened: DNS, network, TLS, or no answer in time.
    #[error("cannot reach {url}: {reason}")]
    Unreachable {
        /// Where.
        url: String,
        /// The browser's words, e.g. `net::ERR_NAME_NOT_RESOLVED`.
        reason: String,
    },
    /// No answer in time. What was begun may go on.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The script threw.
    #[error("{0}")]
    Script(String),
    /// The page was loaded anew, crashed or closed meanwhile.
    #[error("the page went away: {0}")]
    Gone(String),
}
