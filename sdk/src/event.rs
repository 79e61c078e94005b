//! The events that notifiers get.

use crate::{Address, Extra, InboundMessage, MessageId, OutboundMessage, Timestamp};

/// The state of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
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
    /// A state that this version does not model, by its name.
    Other(String),
}

impl SessionState {
    /// Every state that this version models.
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
    pub fn as_str(&self) -> &str {
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
            Self::Other(name) => name,
        }
    }
}

/// A session moved from state to state.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
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
#[non_exhaustive]
pub struct QrCode {
    /// The text of the QR code.
    pub code: String,
    /// The time after which it cannot be scanned any more.
    pub expires_at: Timestamp,
    /// The number of the code within this linking, from 1.
    pub attempt: u32,
}

impl std::fmt::Debug for QrCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QrCode")
            .field("expires_at", &self.expires_at)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

/// WhatsApp's server accepted a message.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Sent {
    /// The id of the message.
    pub id: MessageId,
    /// The message as it was sent.
    pub message: OutboundMessage,
}

/// A message was not sent, or it is unknown whether it was.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
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
#[non_exhaustive]
pub enum AckLevel {
    Server,
    Device,
    Read,
    Played,
}

/// A sent message reached a further level of acknowledgement.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ack {
    /// The id of the message.
    pub id: MessageId,
    /// The chat of the message.
    pub chat: Address,
    /// The level it reached.
    pub level: AckLevel,
}

/// A code that is typed on the phone to link a session. It is a credential: delivered only with the
/// `qr` grant.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PairingCode {
    /// `ABCD-EFGH`.
    pub code: String,
    /// The time after which it cannot be typed any more.
    pub expires_at: Timestamp,
    /// The number of the code since QR codes were shown, from 1.
    pub attempt: u32,
}

impl std::fmt::Debug for PairingCode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PairingCode")
            .field("expires_at", &self.expires_at)
            .field("attempt", &self.attempt)
            .finish_non_exhaustive()
    }
}

/// A step of a passkey ceremony.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Passkey {
    /// The stage, as in the gateway's API; `done` is the last one.
    pub stage: String,
    /// What the passkey is for.
    pub purpose: String,
    /// What has to be signed: `PublicKeyCredentialRequestOptions` as JSON. None once it was
    /// answered.
    pub public_key: Option<String>,
    /// When WhatsApp asked for the passkey.
    pub asked_at: Option<Timestamp>,
    /// Until when an assertion can be sent without a code having to be compared afterwards.
    pub code_without: Option<Timestamp>,
    /// When the stage times out.
    pub expires_at: Option<Timestamp>,
    /// The outcome, or why the ceremony failed or was restarted.
    pub reason: Option<String>,
}

impl std::fmt::Debug for Passkey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passkey")
            .field("stage", &self.stage)
            .field("purpose", &self.purpose)
            .finish_non_exhaustive()
    }
}

/// All current notices of a session for its operator; empty if there are none any more.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notices {
    /// The notices.
    pub notices: Vec<String>,
}

/// A session was linked to another account.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Relinked {
    /// The previous account.
    pub previous: Account,
    /// The new account, as far as it is known.
    pub account: Option<Account>,
    /// How many messages are held, because they were accepted for the previous account.
    pub held_messages: u64,
    /// How many recipients of bulk orders are held.
    pub held_recipients: u64,
}

/// WhatsApp has restricted the account, or a restriction has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restriction {
    /// The kind, as in the gateway's API.
    pub kind: String,
    /// WhatsApp's code.
    pub code: u32,
    /// Whether the restriction applies now.
    pub active: bool,
    /// When it began.
    pub since: Timestamp,
    /// When it ends, or when messages to strangers are tried again.
    pub until: Timestamp,
}

/// It is not known whether a message was sent. The gateway determines it by the id.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownOutcome {
    /// The id of the message.
    pub id: MessageId,
    /// A description for people.
    pub reason: String,
    /// The chat that the message was for.
    pub to: Address,
    /// False while the gateway is determining the outcome; true if it stays unknown.
    pub is_final: bool,
}

/// A plugin has failed too often and is not called for a while.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Quarantine {
    /// The name of the plugin.
    pub plugin: String,
    /// SHA-256 of its component, in hex.
    pub component: String,
    /// How the last call failed: `failed`, `trapped`, `over_cpu`, `over_memory` or `timed_out`.
    pub outcome: String,
    /// How many calls failed within `within_ms`.
    pub failures: u32,
    /// The time in which they failed, in milliseconds.
    pub within_ms: u64,
    /// Until when the plugin is not called.
    pub until: Timestamp,
}

/// A fault of the gateway's script in the page.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BridgeFault {
    /// The part of the script.
    pub place: String,
    /// The kind of the error, e.g. `TypeError`.
    pub error: String,
    /// How many there were since `since`.
    pub count: u64,
    /// When the first of them occurred.
    pub since: Timestamp,
}

/// An event that this version does not model.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OtherEvent {
    /// The dotted name of the event.
    pub kind: String,
    /// The data of the event, as a JSON object.
    pub json: String,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
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
    /// `message.unknown`
    MessageUnknown(UnknownOutcome),
    /// `session.pairing_code`
    PairingCode(PairingCode),
    /// `session.passkey`
    Passkey(Passkey),
    /// `session.notices`
    Notices(Notices),
    /// `session.relinked`
    Relinked(Relinked),
    /// `session.restriction`
    Restriction(Restriction),
    /// `plugin.quarantined`
    Quarantine(Quarantine),
    /// `bridge.fault`
    BridgeFault(BridgeFault),
    /// Anything else.
    Other(OtherEvent),
}

/// The account that an event belongs to, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
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
#[non_exhaustive]
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
    /// What this version has no field for.
    pub extra: Extra,
}

impl Envelope {
    /// An event of an account that is not known, observed when it happened.
    #[must_use]
    pub fn new(
        id: impl Into<String>,
        at: Timestamp,
        kind: impl Into<String>,
        event: Event,
    ) -> Self {
        Self {
            id: id.into(),
            at,
            kind: kind.into(),
            account: None,
            metadata: Vec::new(),
            gateway: String::new(),
            replayed: false,
            event,
            extra: Extra::default(),
        }
    }
}

/// Gives a payload a constructor that takes all of its fields, in their order.
macro_rules! payloads {
    ($($Name:ident { $($field:ident: $Type:ty),+ $(,)? })+) => {
        $(impl $Name {
            /// The payload with these fields, for tests of a plugin.
            #[must_use]
            #[allow(clippy::too_many_arguments, reason = "the fields of the payload")]
            pub fn new($($field: $Type),+) -> Self {
                Self { $($field),+ }
            }
        })+
    };
}
payloads! {
    SessionChange { before: SessionState, after: SessionState, reason: Option<String> }
    QrCode { code: String, expires_at: Timestamp, attempt: u32 }
    Sent { id: MessageId, message: OutboundMessage }
    Failure { id: Option<MessageId>, code: String, reason: String, message: OutboundMessage }
    Ack { id: MessageId, chat: Address, level: AckLevel }
    PairingCode { code: String, expires_at: Timestamp, attempt: u32 }
    Passkey {
        stage: String,
        purpose: String,
        public_key: Option<String>,
        asked_at: Option<Timestamp>,
        code_without: Option<Timestamp>,
        expires_at: Option<Timestamp>,
        reason: Option<String>,
    }
    Notices { notices: Vec<String> }
    Relinked { previous: Account, account: Option<Account>, held_messages: u64, held_recipients: u64 }
    Restriction { kind: String, code: u32, active: bool, since: Timestamp, until: Timestamp }
    UnknownOutcome { id: MessageId, reason: String, to: Address, is_final: bool }
    Quarantine {
        plugin: String,
        component: String,
        outcome: String,
        failures: u32,
        within_ms: u64,
        until: Timestamp,
    }
    BridgeFault { place: String, error: String, count: u64, since: Timestamp }
    OtherEvent { kind: String, json: String }
    Account { pn: Option<String>, lid: Option<String>, push_name: Option<String> }
}
