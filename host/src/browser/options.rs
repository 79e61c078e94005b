//! The options with which a browser is started.

use std::{path::PathBuf, time::Duration};

use crate::config::BrowserKind;

/// How to start a browser.
#[derive(Debug, Clone)]
pub struct LaunchOptions {
    /// The Chromium binary; if `None`, it is searched for.
    pub executable: Option<PathBuf>,
    /// Full browser, headless shell, or a browser with a window.
    pub kind: BrowserKind,
    /// The profile directory, created with mode 0700 if it is missing.
    pub profile: PathBuf,
    /// Further command-line switches.
    pub args: Vec<String>,
    /// The user agent; if `None`, that of the browser without the word `Headless`.
    pub user_agent: Option<String>,
    /// The session that the browser belongs to, for logs.
    pub tag: String,
    /// How long the start may take, from the start of the process to the CDP connection.
    pub launch_timeout: Duration,
    /// How long Chromium may take to close before the guard kills it.
    pub close_grace: Duration,
    /// The command that starts the guard.
    pub guard: Guard,
}

/// The command that runs [`super::guard::main`].
#[derive(Debug, Clone)]
pub struct Guard {
    /// The program.
    pub program: PathBuf,
    /// The arguments before those of the guard itself.
    pub args: Vec<String>,
}

impl Guard {
    /// This program, with the subcommand `guard`.
    ///
    /// # Errors
    /// When the path of this program cannot be determined.
    pub fn current_exe() -> std::io::Result<Self> {
        Ok(Self {
            program: std::env::current_exe()?,
            args: vec!["guard".into()],
        })
    }
}
