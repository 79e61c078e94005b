//! Events, as notifiers are told of them.

use crate::{Address, InboundMessage, MessageId, OutboundMessage, Timestamp};

/// Where a session stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the gateway's documentation describes the states")]
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

    /// The name the gateway's API uses, `snake_case`.
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
    /// From.
    pub before: SessionState,
    /// To.
    pub after: SessionState,
    /// Why.
    pub reason: Option<String>,
}

/// A pairing code is a credential: delivered only with the `qr` grant.
#[derive(Clone, PartialEq, Eq)]
pub struct QrCode {
    /// The text of the QR.
    pub code: String,
    /// After this it is dead.
    pub expires_at: Timestamp,
}

impl std::fmt::Debug for QrCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QrCode").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

/// WhatsApp's server took a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Sent {
    /// Its id.
    pub id: MessageId,
    /// What was sent.
    pub message: OutboundMessage,
}

/// A message will not leave, or nobody knows.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    /// Its id, when it had one.
    pub id: Option<MessageId>,
    /// Gateway error code, `snake_case`.
    pub code: String,
    /// For people.
    pub reason: String,
    /// What was to be sent.
    pub message: OutboundMessage,
}

/// How far a sent message has come. Ordered: a level implies those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the names say it")]
pub enum AckLevel {
    Server,
    Device,
    Read,
    Played,
}

/// A sent message came further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// Its id.
    pub id: MessageId,
    /// Its chat.
    pub chat: Address,
    /// How far.
    pub level: AckLevel,
}

/// An event this version does not model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherEvent {
    /// Dotted name.
    pub kind: String,
    /// A JSON object.
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

/// The account an event belongs to, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Account {
    /// `…@c.us`.
    pub pn: Option<String>,
    /// `…@lid`.
    pub lid: Option<String>,
    /// The name the account gives itself.
    pub push_name: Option<String>,
}

/// One event with what is needed to route it.
#[derive(Debug, Clone, PartialEq)]
pub struct Envelope {
    /// Deduplication key; the same for every attempt.
    pub id: String,
    /// When it happened.
    pub at: Timestamp,
    /// Dotted name, e.g. `message.ack`; filters match on it.
    pub kind: String,
    /// The account, when known.
    pub account: Option<Account>,
    /// Operator-set pairs of the session.
    pub metadata: Vec<(String, String)>,
    /// Version of the gateway.
    pub gateway: String,
    /// Found again after an outage rather than seen live.
    pub replayed: bool,
    /// What happened.
    pub event: Event,
}
