//! The events that notifiers get.

use crate::{Address, InboundMessage, MessageId, OutboundMessage, Timestamp};

/// The state of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the gateway's documentation describes the states"
)]
pub enum SessionState {
    Disconnected,
    Loading,
    QrReady,
    Authenticated,
    Ready,
    Reconnecting,
    AuthFailure,
    Error,
    MaxReconnectExceeded,
}

impl SessionState {
    /// Every state.
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

    /// The name of the state in the gateway's API, in `snake_case`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
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

/// A session moved from state to state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionChange {
    /// The state it left.
    pub before: SessionState,
    /// The state it is in now.
    pub after: SessionState,
    /// The reason, where there is one.
    pub reason: Option<String>,
}

/// A QR code that links a session. It is a credential: delivered only with the `qr` grant.
#[derive(Clone, PartialEq, Eq)]
pub struct QrCode {
    /// The text of the QR code.
    pub code: String,
    /// The time after which it cannot be scanned any more.
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for QrCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QrCode")
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// WhatsApp's server accepted a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    /// The id of the message.
    pub id: MessageId,
    /// The message as it was sent.
    pub message: OutboundMessage,
}

/// A message was not sent, or it is unknown whether it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// The id of the message, if it had one already.
    pub id: Option<MessageId>,
    /// The gateway's error code, in `snake_case`.
    pub code: String,
    /// A description for people.
    pub reason: String,
    /// The message that was to be sent.
    pub message: OutboundMessage,
}

/// How far a sent message has been acknowledged. The levels are ordered: each implies those before
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum AckLevel {
    Server,
    Device,
    Read,
    Played,
}

/// A sent message reached a further level of acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// The id of the message.
    pub id: MessageId,
    /// The chat of the message.
    pub chat: Address,
    /// The level it reached.
    pub level: AckLevel,
}

/// An event that this version does not model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherEvent {
    /// The dotted name of the event.
    pub kind: String,
    /// The data of the event, as a JSON object.
    pub json: String,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// `session.state`
    SessionState(SessionChange),
    /// `session.qr`
    Qr(QrCode),
    /// `message.sent`
    MessageSent(Sent),
    /// `message.failed`
    MessageFailed(Failure),
    /// `message.ack`
    MessageAck(Ack),
    /// `message.received`
    MessageReceived(InboundMessage),
    /// Anything else.
    Other(OtherEvent),
}

/// The account that an event belongs to, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    /// The phone number, as `…@c.us`.
    pub pn: Option<String>,
    /// The opaque id, as `…@lid`.
    pub lid: Option<String>,
    /// The name that the account gives itself.
    pub push_name: Option<String>,
}

/// An event with the information needed to route it.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// The id of the event, the same for every attempt. Receivers can use it to recognise
    /// repetitions.
    pub id: String,
    /// When it happened.
    pub at: Timestamp,
    /// The dotted name of the event, e.g. `message.ack`. Filters match on it.
    pub kind: String,
    /// The account, if it is known.
    pub account: Option<Account>,
    /// The pairs that the operator set for the session.
    pub metadata: Vec<(String, String)>,
    /// The version of the gateway.
    pub gateway: String,
    /// Whether the event was found after an outage and not observed when it happened.
    pub replayed: bool,
    /// What happened.
    pub event: Event,
}
