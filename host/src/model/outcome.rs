//! How a send ended: three outcomes, never two.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Timestamp;

/// The end of one send, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// WhatsApp's server has acknowledged it.
    Sent {
        /// The serialized WhatsApp key, `true_<chat>_<id>`.
        message_key: String,
        /// The chat it went to.
        chat: String,
        /// When the server's acknowledgement was seen.
        at: Timestamp,
    },
    /// It did not leave and will not.
    NotSent {
        /// Why, for programs.
        code: FailureCode,
        /// Why, for people.
        reason: String,
    },
    /// It may have left. The caller must not retry blindly: the gateway finds out by the message
    /// id.
    Unknown {
        /// What happened meanwhile.
        reason: String,
    },
}

/// The closed set of reasons for "not sent".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// The number has no WhatsApp account.
    NotOnWhatsapp,
    /// A plugin stopped it at the moment of sending.
    Rejected,
    /// The caller's or the message's time ran out before it was begun.
    NotSentInTime,
    /// Its `expiresAt` passed before it was begun.
    Expired,
    /// Taken back by the caller before it was begun.
    Cancelled,
    /// WhatsApp's server refused it (the nack code is in the reason).
    RefusedByWhatsapp,
    /// WhatsApp lets this account write to nobody new for a while (463, 475).
    Restricted,
    /// The recipient is blocked by this account.
    Blocked,
    /// The message it answers is not in the chat, or may not be answered.
    QuoteNotFound,
    /// This account has no such chat: it is in no group of that id.
    ChatNotFound,
    /// The page could not make the message (contract broken, bad content).
    PageError,
}

impl FailureCode {
    /// The stable, machine-readable name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotOnWhatsapp => "not_on_whatsapp",
            Self::Rejected => "rejected",
            Self::NotSentInTime => "not_sent_in_time",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::RefusedByWhatsapp => "refused_by_whatsapp",
            Self::Restricted => "restricted",
            Self::Blocked => "blocked",
            Self::QuoteNotFound => "quote_not_found",
            Self::ChatNotFound => "chat_not_found",
            Self::PageError => "page_error",
        }
    }
}
