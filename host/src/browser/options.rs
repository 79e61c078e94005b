//! What is to be started, and how.

use std::{path::PathBuf, time::Duration};

use crate::config::BrowserKind;

/// How to start a browser.
#[derive(Debug, Clone)]
pub struct LaunchOptions {
    /// The Chromium binary; none: searched.
    pub executable: Option<PathBuf>,
    /// Full browser, shell, or with a window.
    pub kind: BrowserKind,
    /// The profile directory; made with mode 0700.
    pub profile: PathBuf,
    /// More switches.
    pub args: Vec<String>,
    /// None: the browser's own without `Headless`.
    pub user_agent: Option<String>,
    /// Whose browser it is, for logs.
    pub tag: String,
    /// From the start of the process to the connection.
    pub launch_timeout: Duration,
    /// A Chromium whose gateway is gone may take so long to leave before it is killed.
    pub close_grace: Duration,
    /// How to start the guard.
    pub guard: Guard,
}

/// The command that runs [`super::guard::main`].
#[derive(Debug, Clone)]
pub struct Guard {
    /// The program.
    pub program: PathBuf,
    /// What comes before the guard's own arguments.
    pub args: Vec<String>,
}

impl Guard {
    /// This program with the word `guard`.
    ///
    /// # Errors
    /// When the path of this program cannot be found out.
    pub fn current_exe() -> std::io::Result<Self> {
        Ok(Self {
            program: std::env::current_exe()?,
            args: vec!["guard".into()],
        })
    }
}
