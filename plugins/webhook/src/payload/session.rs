//! The state of a session, in WAHA's terms and in the gateway's own, and its QR code.

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
    /// The state as one of WAHA's five.
    status: Status,
    /// The same state with its time.
    statuses: [StatusAt; 1],
    /// Always null.
    data: Option<Value>,
    /// The gateway's own state, as in `GET /v1/sessions/{id}`.
    state: &'a str,
    /// The gateway's own state before the change.
    previous_state: &'a str,
    /// The reason, for people.
    reason: Option<&'a str>,
}

/// WAHA's states of a session.
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
    /// When it began, in milliseconds since the Unix epoch.
    timestamp: u64,
}

/// A QR code that can be scanned. It is a credential that links the session, so only a target that
/// names `session.qr` gets it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "WebhookQr"))]
pub(crate) struct Qr<'a> {
    /// The text of the QR code.
    qr: &'a str,
    /// When it expires, in milliseconds since the Unix epoch.
    expires_at: u64,
}

pub(super) fn session_status<'a>(
    change: &'a SessionChange,
    session: &'a str,
    at: u64,
) -> SessionStatus<'a> {
    let status = status(&change.after);
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

fn status(state: &SessionState) -> Status {
    match state {
        SessionState::Loading | SessionState::Reconnecting | SessionState::Authenticated => {
            Status::Starting
        }
        SessionState::QrReady => Status::ScanQrCode,
        SessionState::Ready => Status::Working,
        SessionState::AuthFailure | SessionState::Error | SessionState::MaxReconnectExceeded => {
            Status::Failed
        }
        // Nothing is sent in a state that is not known here.
        _ => Status::Stopped,
    }
}
