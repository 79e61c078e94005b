//! The events that a page emits on its own.

use std::time::Duration;

use super::{life::PageStatus, linking::PairingCode};
use crate::{
    model::{AckLevel, Address, InboundMessage, MessageId, Timestamp},
    whatsapp::passkey::PasskeyNews,
};

/// An event of a page.
#[derive(Debug, Clone, PartialEq)]
pub enum PageEvent {
    /// Something about the connection changed. The status is always complete.
    Status(PageStatus),
    /// A QR code can be scanned.
    Qr {
        /// The text of the QR code. It is a credential.
        code: String,
        /// How long the code is valid, from now.
        ttl: Duration,
    },
    /// All QR codes of the current batch have been used up.
    QrExhausted,
    /// A pairing code can be typed on the phone; the previous one is no longer valid.
    PairingCode(PairingCode),
    /// No pairing code is valid any more, with the reason.
    PairingEnded(String),
    /// Progress of a passkey ceremony.
    Passkey(PasskeyNews),
    /// Progress of a message that this account sent.
    Send(SendNews),
    /// A message arrived, or was sent from the phone.
    Message(InboundMessage),
    /// A message that the page found in its database. It may have been reported before.
    Missed(InboundMessage),
    /// [`PageReading::catch_up`](super::PageReading::catch_up) has reported all that it found.
    CaughtUp {
        /// `Some(true)`: nothing was left out. `Some(false)`: there is more than could be read.
        /// `None`: some of it could not be read now.
        complete: Option<bool>,
    },
    /// Something in the bridge failed. The item that it was working on is not reported, or is
    /// reported as unknown.
    Fault(Fault),
    /// The login has ended or is about to end, with the reason that WhatsApp gave.
    LoggedOut(String),
    /// WhatsApp has banned the account.
    Banned {
        /// When the ban ends, if WhatsApp said so.
        until: Option<Timestamp>,
        /// WhatsApp's code.
        code: String,
    },
    /// A new document was loaded in the main frame; all state of the old one is gone.
    Navigated,
    /// The renderer process crashed.
    Crashed(String),
    /// The browser is gone.
    Closed(String),
}

/// A fault of the bridge. It never contains the text of the error, which may quote a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The place in the bridge.
    pub place: String,
    /// The kind of the error, e.g. `TypeError`.
    pub error: String,
    /// How often it has happened since it was last reported; at least 1.
    pub count: u64,
}

/// Progress of a message that this account sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendNews {
    /// The bare message id.
    pub id: MessageId,
    /// The chat that the message is in.
    pub address: Address,
    /// What happened.
    pub what: SendProgress,
}

/// How far a message of this account has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendProgress {
    /// Acknowledged up to this level.
    Ack(AckLevel),
    /// WhatsApp refused the message; the page does not retry it.
    Refused {
        /// The error code (nack) that WhatsApp gave, such as 463 or 475.
        code: Option<u32>,
        /// When the restriction behind the code ends, if WhatsApp said so.
        until: Option<Timestamp>,
        /// The reason that the page gives, e.g. `ERROR_UNKNOWN`.
        reason: String,
    },
}
