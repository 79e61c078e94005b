//! The states of a session, by the names the API has always used.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ClientId, Timestamp};

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// No browser, or the phone unlinked us, or stopped by hand.
    Disconnected,
    /// Chromium is starting, the page opening, WhatsApp Web booting.
    Loading,
    /// A QR can be scanned now.
    QrReady,
    /// Linked; the first sync runs.
    Authenticated,
    /// Proven able to send.
    Ready,
    /// Waiting for the next attempt.
    Reconnecting,
    /// The login was refused or revoked.
    AuthFailure,
    /// Broken for a reason a retry cannot mend.
    Error,
    /// The attempts are used up.
    MaxReconnectExceeded,
}

impl SessionState {
    /// Every state, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::Disconnected,
        Self::Loading,
        Self::QrReady,
        Self::Authenticated,
        Self::Ready,
        Self::Reconnecting,
        Self::AuthFailure,
        Self::Error,
        Self::MaxReconnectExceeded,
    ];

    /// The name in the API.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disconnected => "disconnected",
            Self::Loading => "loading",
            Self::QrReady => "qr_ready",
            Self::Authenticated => "authenticated",
            Self::Ready => "ready",
            Self::Reconnecting => "reconnecting",
            Self::AuthFailure => "auth_failure",
            Self::Error => "error",
            Self::MaxReconnectExceeded => "max_reconnect_exceeded",
        }
    }
}

impl fmt::Display for SessionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SessionState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| format!("no session state is called {text:?}"))
    }
}

/// One step of a session from state to state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transition {
    /// Whose.
    pub client: ClientId,
    /// When.
    pub at: Timestamp,
    /// From.
    pub before: SessionState,
    /// To.
    pub after: SessionState,
    /// Why, for people and without secrets.
    pub reason: String,
}
