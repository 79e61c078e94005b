//! What becomes of a session: its state in WAHA's words beside the gateway's own, and its QR.

use serde::Serialize;
use serde_json::Value;
use wharf_plugin::{QrCode, SessionChange, SessionState};

/// A session moved from one state to another.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(
    test,
    derive(schemars::JsonSchema),
    schemars(rename = "WebhookSessionStatus")
)]
pub(crate) struct SessionStatus<'a> {
    /// The session's id.
    name: &'a str,
    /// The state in WAHA's five words.
    status: Status,
    /// The same with its time.
    statuses: [StatusAt; 1],
    /// Always null.
    data: Option<Value>,
    /// The state in the gateway's own words, as in `GET /v1/sessions/{id}`.
    state: &'a str,
    /// The state before, in the gateway's own words.
    previous_state: &'a str,
    /// Why, for people.
    reason: Option<&'a str>,
}

/// WAHA's words for the state of a session.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "WebhookStatus"))]
enum Status {
    Stopped,
    Starting,
    ScanQrCode,
    Working,
    Failed,
}

/// A state with its time.
#[derive(Debug, Serialize)]
#[cfg_attr(
    test,
    derive(schemars::JsonSchema),
    schemars(rename = "WebhookStatusAt")
)]
struct StatusAt {
    /// The state.
    status: Status,
    /// Since when, in milliseconds since the Unix epoch.
    timestamp: u64,
}

/// A QR that can be scanned. It links a phone to the session: told only to a target that names
/// `session.qr`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "WebhookQr"))]
pub(crate) struct Qr<'a> {
    /// The text of the QR.
    qr: &'a str,
    /// When it can be scanned no more, in milliseconds since the Unix epoch.
    expires_at: u64,
}

pub(super) fn session_status<'a>(
    change: &'a SessionChange,
    session: &'a str,
    at: u64,
) -> SessionStatus<'a> {
    let status = status(change.after);
    SessionStatus {
        name: session,
        status,
        statuses: [StatusAt {
            status,
            timestamp: at,
        }],
        data: None,
        state: change.after.as_str(),
        previous_state: change.before.as_str(),
        reason: change.reason.as_deref(),
    }
}

pub(super) fn qr(qr: &QrCode) -> Qr<'_> {
    Qr {
        qr: &qr.code,
        expires_at: qr.expires_at,
    }
}

fn status(state: SessionState) -> Status {
    match state {
        SessionState::Disconnected => Status::Stopped,
        SessionState::Loading | SessionState::Reconnecting | SessionState::Authenticated => {
            Status::Starting
        }
        SessionState::QrReady => Status::ScanQrCode,
        SessionState::Ready => Status::Working,
        SessionState::AuthFailure | SessionState::Error | SessionState::MaxReconnectExceeded => {
            Status::Failed
        }
    }
}
