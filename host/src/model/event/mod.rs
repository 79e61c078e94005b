//! Events: what the event log stores and notifiers receive.
//!
//! [`Event`] has variants for the events whose content the gateway itself or its contract with
//! plugins uses. All others are [reports](Report): named structs that only their author has to
//! know.

mod account;
mod report;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::{account::Account, report::*};
use super::{
    AckLevel, Address, ClientId, InboundMessage, MessageId, OutboundMessage, SessionState,
    Timestamp,
};

/// The id of an event: `evt_` and a lower-case ULID. Receivers recognise repeated deliveries by it,
/// because it is the same for every attempt.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct EventId(pub String);

impl EventId {
    /// Makes the id from a ULID; later ids sort after earlier ones.
    #[must_use]
    pub fn new(ulid: &str) -> Self {
        Self(format!("evt_{}", ulid.to_ascii_lowercase()))
    }
}

/// One event with what is needed to route it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// The id, by which receivers recognise repeated deliveries.
    pub id: EventId,
    /// When it happened, as far as the gateway knows.
    pub at: Timestamp,
    /// The session that it concerns.
    pub session: ClientId,
    /// The session's account, if known.
    pub account: Option<Account>,
    /// Whether it was found after an outage rather than seen live.
    #[serde(default)]
    pub replayed: bool,
    /// What happened.
    pub event: Event,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// A session changed its state.
    SessionState {
        /// The state before.
        before: SessionState,
        /// The state after.
        after: SessionState,
        /// The reason, for people.
        reason: Option<String>,
    },
    /// A QR code can be scanned. It is a credential: delivered only to plugins with the grant, and
    /// its text is not stored in the event log.
    Qr {
        /// The text of the QR code.
        code: String,
        /// When it becomes invalid.
        expires_at: Timestamp,
        /// The number of the code within this linking, from 1.
        attempt: u32,
    },
    /// A pairing code can be typed on the phone to link it. It is a credential and treated like the
    /// text of a QR code.
    PairingCode {
        /// The code, `ABCD-EFGH`.
        code: String,
        /// When it becomes invalid.
        expires_at: Timestamp,
        /// The number of the code since QR codes were shown, from 1.
        attempt: u32,
    },
    /// WhatsApp's server acknowledged a message.
    MessageSent {
        /// The message's id.
        id: MessageId,
        /// The message.
        message: OutboundMessage,
    },
    /// A message was not sent and will not be.
    MessageFailed {
        /// The message's id.
        id: MessageId,
        /// The gateway's error code, in `snake_case`.
        code: String,
        /// The reason, for people.
        reason: String,
        /// The message.
        message: OutboundMessage,
    },
    /// A sent message reached a higher level of acknowledgement.
    MessageAck {
        /// The message's id.
        id: MessageId,
        /// The message's chat.
        chat: Address,
        /// The level.
        level: AckLevel,
    },
    /// A message arrived.
    MessageReceived(InboundMessage),
    /// A [`Report`], or an event of a newer version.
    Other {
        /// The dotted name of the event.
        kind: String,
        /// The payload as a JSON object.
        json: String,
    },
}

impl Event {
    /// Makes an event from a report.
    #[must_use]
    pub fn report<R: Report>(report: &R) -> Self {
        debug_assert!(
            REPORTS.contains(&R::KIND),
            "{} is not in the list of reports",
            R::KIND
        );
        // Serialization cannot fail: the payloads are structs of texts and numbers.
        Self::Other {
            kind: R::KIND.to_owned(),
            json: serde_json::to_string(report).unwrap_or_else(|_| "{}".to_owned()),
        }
    }

    /// The text with which another device could be linked. It is delivered only to plugins with the
    /// grant, and never stored.
    #[must_use]
    pub fn credential(&mut self) -> Option<&mut String> {
        match self {
            Self::Qr { code, .. } | Self::PairingCode { code, .. } => Some(code),
            _ => None,
        }
    }

    /// Whether the event contains such a text.
    #[must_use]
    pub fn is_credential(&self) -> bool {
        matches!(self, Self::Qr { .. } | Self::PairingCode { .. })
    }

    /// Whether the event contains a message, whose text is deleted before the event is.
    #[must_use]
    pub fn has_message(&self) -> bool {
        matches!(
            self,
            Self::MessageSent { .. } | Self::MessageFailed { .. } | Self::MessageReceived(_)
        )
    }

    /// The dotted name, e.g. `message.ack`; filters match it.
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
