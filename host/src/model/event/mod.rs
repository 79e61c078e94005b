//! Events: what the log keeps and notifiers are told.
//!
//! [`Event`] has the events that the gateway itself or its contract with plugins looks into. All
//! others are [reports](Report): a struct with a name, which nothing but its author has to know.

mod account;
mod report;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{account::Account, report::*};
use super::{
    AckLevel, Address, ClientId, InboundMessage, MessageId, OutboundMessage, SessionState,
    Timestamp,
};

/// `evt_` and a lower-case ULID: the deduplication key of an event, the same for every delivery
/// attempt.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct EventId(pub String);

impl EventId {
    /// A fresh id; later ids sort after earlier ones.
    #[must_use]
    pub fn new(ulid: &str) -> Self {
        Self(format!("evt_{}", ulid.to_ascii_lowercase()))
    }
}

/// One event with what is needed to route it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// Deduplication key.
    pub id: EventId,
    /// When it happened, as far as the gateway knows.
    pub at: Timestamp,
    /// Whose.
    pub session: ClientId,
    /// The account, when known.
    pub account: Option<Account>,
    /// Found again after an outage rather than seen live.
    #[serde(default)]
    pub replayed: bool,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// A session moved from state to state.
    SessionState {
        /// From.
        before: SessionState,
        /// To.
        after: SessionState,
        /// Why.
        reason: Option<String>,
    },
    /// A QR can be scanned. A credential: delivered only where granted, and its text is not kept in
    /// the log.
    Qr {
        /// The text of the QR.
        code: String,
        /// After this it is dead.
        expires_at: Timestamp,
        /// 1 for the first of this linking.
        attempt: u32,
    },
    /// A code can be typed on the phone to link it. A credential, treated as a QR's text is.
    PairingCode {
        /// The code, `ABCD-EFGH`.
        code: String,
        /// After this it is dead.
        expires_at: Timestamp,
        /// 1 for the first since QR codes were shown.
        attempt: u32,
    },
    /// WhatsApp's server took a message.
    MessageSent {
        /// Its id.
        id: MessageId,
        /// What was sent.
        message: OutboundMessage,
    },
    /// A message will not leave.
    MessageFailed {
        /// Its id.
        id: MessageId,
        /// Gateway error code, `snake_case`.
        code: String,
        /// For people.
        reason: String,
        /// What was to be sent.
        message: OutboundMessage,
    },
    /// A sent message came further.
    MessageAck {
        /// Its id.
        id: MessageId,
        /// Its chat.
        chat: Address,
        /// How far.
        level: AckLevel,
    },
    /// A message arrived.
    MessageReceived(InboundMessage),
    /// A [`Report`], or an event of a newer version.
    Other {
        /// Dotted name.
        kind: String,
        /// A JSON object.
        json: String,
    },
}

impl Event {
    /// An event with a payload of its own.
    #[must_use]
    pub fn report<R: Report>(report: &R) -> Self {
        debug_assert!(
            REPORTS.contains(&R::KIND),
            "{} is not in the list of reports",
            R::KIND
        );
        // The payloads are structs of texts and numbers, which can always be written.
        Self::Other {
            kind: R::KIND.to_owned(),
            json: serde_json::to_string(report).unwrap_or_else(|_| "{}".to_owned()),
        }
    }

    /// The text that would link another device: delivered only where granted, and never written
    /// down.
    #[must_use]
    pub fn credential(&mut self) -> Option<&mut String> {
        match self {
            Self::Qr { code, .. } | Self::PairingCode { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Whether it has one.
    #[must_use]
    pub fn is_credential(&self) -> bool {
        matches!(self, Self::Qr { .. } | Self::PairingCode { .. })
    }

    /// Whether it has what a message says, which is deleted before the event is.
    #[must_use]
    pub fn has_message(&self) -> bool {
        matches!(
            self,
            Self::MessageSent { .. } | Self::MessageFailed { .. } | Self::MessageReceived(_)
        )
    }

    /// Dotted name, e.g. `message.ack`; filters match on it.
    #[must_use]
    pub fn kind(&self) -> &str {
        match self {
            Self::SessionState { .. } => "session.state",
            Self::Qr { .. } => "session.qr",
            Self::PairingCode { .. } => "session.pairing_code",
            Self::MessageSent { .. } => "message.sent",
            Self::MessageFailed { .. } => "message.failed",
            Self::MessageAck { .. } => "message.ack",
            Self::MessageReceived(_) => "message.received",
            Self::Other { kind, .. } => kind,
        }
    }
}
