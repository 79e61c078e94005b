//! The outcome of a send: sent, not sent, or unknown.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Timestamp;

/// The outcome of one send, as far as it is known.
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
    /// It was not sent and will not be.
    NotSent {
        /// The reason, for programs.
        code: FailureCode,
        /// The reason, for people.
        reason: String,
    },
    /// It may have been sent. The caller must not retry blindly: the gateway determines the outcome
    /// by the message id.
    Unknown {
        /// Why the outcome is unknown.
        reason: String,
    },
}

/// The reasons why a message was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureCode {
    /// The number has no WhatsApp account.
    NotOnWhatsapp,
    /// A plugin rejected it at the time of sending.
    Rejected,
    /// Sending did not begin within the time that its caller waits.
    NotSentInTime,
    /// Its `expiresAt` passed before sending began.
    Expired,
    /// The caller cancelled it before sending began.
    Cancelled,
    /// WhatsApp's server refused it; the reason contains the server's error code.
    RefusedByWhatsapp,
    /// WhatsApp does not let this account write to strangers for a while (463, 475).
    Restricted,
    /// The recipient is blocked by this account.
    Blocked,
    /// The message that it replies to is not in the chat, or cannot be replied to.
    QuoteNotFound,
    /// The account has no such chat: it is not a member of the group.
    ChatNotFound,
    /// The page could not create the message: a part of WhatsApp Web is missing, or the content is
    /// invalid.
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
