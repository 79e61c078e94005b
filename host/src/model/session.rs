//! The states of a session. Their names in the API are those of the service that Wharf replaces.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ClientId, Timestamp};

/// The state of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// No browser is running: the session was stopped, nobody scanned its QR codes, or its account
    /// was unlinked on the phone or is banned for a while.
    Disconnected,
    /// Chromium is starting, the page is opening, or WhatsApp Web is booting.
    Loading,
    /// A QR code can be scanned.
    QrReady,
    /// The account is linked, and its first synchronisation is running.
    Authenticated,
    /// The session can send messages.
    Ready,
    /// The session is waiting for the next attempt.
    Reconnecting,
    /// The login was refused or revoked.
    AuthFailure,
    /// The session failed for a reason that a retry cannot solve.
    Error,
    /// All attempts have failed.
    MaxReconnectExceeded,
}

impl SessionState {
    /// All states, in the order of the documentation.
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
            .ok_or_else(|| format!("unknown session state {text:?}"))
    }
}

/// One change of a session's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Transition {
    /// The session.
    pub client: ClientId,
    /// The time of the change.
    pub at: Timestamp,
    /// The state before.
    pub before: SessionState,
    /// The state after.
    pub after: SessionState,
    /// The reason, for people; contains no secrets.
    pub reason: String,
}
