//! What a page tells by itself.

use std::time::Duration;

use super::{life::PageStatus, linking::PairingCode};
use crate::{
    model::{AckLevel, Address, InboundMessage, MessageId, Timestamp},
    whatsapp::passkey::PasskeyNews,
};

/// News of a page.
#[derive(Debug, Clone, PartialEq)]
pub enum PageEvent {
    /// Something about the connection changed; always the whole truth of that moment.
    Status(PageStatus),
    /// A QR can be scanned.
    Qr {
        /// Its text: a credential.
        code: String,
        /// From now.
        ttl: Duration,
    },
    /// The batch of QR codes is used up.
    QrExhausted,
    /// A code can be typed on the phone; the one before it is dead.
    PairingCode(PairingCode),
    /// No code can be typed any more, for this reason.
    PairingEnded(String),
    /// News of a passkey that WhatsApp asks for.
    Passkey(PasskeyNews),
    /// News of an own message.
    Send(SendNews),
    /// A message arrived or was typed on the phone.
    Message(InboundMessage),
    /// A message that the page has had for some time; nobody may have been told of it.
    Missed(InboundMessage),
    /// All that [`PageReading::catch_up`](super::PageReading::catch_up) found was told. `complete`:
    /// that was everything; false: there is more than could be read; none: some of it could not be
    /// read now.
    CaughtUp {
        /// See above.
        complete: Option<bool>,
    },
    /// Something in the bridge went wrong; what it was about is not told, or told as unknown.
    Fault(Fault),
    /// The login is going or gone, with WhatsApp's reason.
    LoggedOut(String),
    /// A temporary ban.
    Banned {
        /// When it ends, if it was said.
        until: Option<Timestamp>,
        /// WhatsApp's code.
        code: String,
    },
    /// The main frame was loaded anew; everything in the old one is gone.
    Navigated,
    /// The renderer died.
    Crashed(String),
    /// The browser is gone.
    Closed(String),
}

/// A fault of the bridge. Names no words of the error: they may be somebody's message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where in the bridge.
    pub place: String,
    /// The kind of the error, e.g. `TypeError`.
    pub error: String,
    /// How often since it was told last; at least 1.
    pub count: u64,
}

/// News of an own message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendNews {
    /// Bare id.
    pub id: MessageId,
    /// The chat it is in.
    pub address: Address,
    /// What happened.
    pub what: SendProgress,
}

/// How far an own message has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SendProgress {
    /// Acknowledged up to this level.
    Ack(AckLevel),
    /// Refused; it will not leave by itself.
    Refused {
        /// WhatsApp's nack code, when it was given (463, 475, …).
        code: Option<u32>,
        /// When the restriction that the code means ends, if WhatsApp said so.
        until: Option<Timestamp>,
        /// The page's own words, e.g. `ERROR_UNKNOWN`.
        reason: String,
    },
}
