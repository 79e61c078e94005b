//! The Chromium process and its page, over CDP. This module knows nothing of WhatsApp.
//!
//! Chromium is never a child of the gateway: a guard process (the same binary, re-executed) is its
//! parent, so that Chromium is closed cleanly even when the gateway is killed. See [`guard`].

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

/// An event of a browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrowserEvent {
    /// The page called the binding with this payload.
    Binding(String),
    /// The page called the binding with a payload that is too large and was dropped; the size in
    /// bytes.
    TooLarge(usize),
    /// The renderer process crashed.
    Crashed(String),
    /// The browser is gone; no event follows.
    Closed(String),
}

/// Why no browser could be started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrowserError {
    /// There is no Chromium on this machine.
    #[error("{0}")]
    NoBrowser(String),
    /// Another running process uses the profile.
    #[error("the profile {profile} is in use by process {pid}")]
    ProfileInUse {
        /// The profile directory.
        profile: PathBuf,
        /// The process that uses it.
        pid: i32,
    },
    /// The profile directory cannot be used.
    #[error("the profile {profile} cannot be used: {reason}")]
    Profile {
        /// The profile directory.
        profile: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Chromium did not start properly; a later attempt may succeed.
    #[error("Chromium did not start: {0}")]
    Failed(String),
}

/// Why a page did not do what it was told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TabError {
    /// The page could not be opened: DNS, network, TLS, or no answer in time.
    #[error("cannot reach {url}: {reason}")]
    Unreachable {
        /// The address.
        url: String,
        /// The browser's error text, e.g. `net::ERR_NAME_NOT_RESOLVED`.
        reason: String,
    },
    /// There was no answer in time. Work that was begun may continue.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The script threw an error.
    #[error("{0}")]
    Script(String),
    /// The page was reloaded, crashed or closed meanwhile.
    #[error("the page went away: {0}")]
    Gone(String),
}
