//! Messages as the gateway and its plugins exchange them. Their serde form is the stored one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    address::Address,
    content::{self, Content},
    message_id::MessageId,
    time::Timestamp,
};

/// A message to send.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutboundMessage {
    /// The recipient.
    pub to: Address,
    /// The content.
    #[serde(with = "content::stored")]
    pub content: Content,
    /// The message that it replies to.
    #[serde(default)]
    pub reply_to: Option<MessageId>,
    /// When to send it; `None` for now.
    #[serde(default)]
    pub send_at: Option<Timestamp>,
    /// Free-form key-value pairs from the caller.
    #[serde(default)]
    pub metadata: Vec<(String, String)>,
}

/// Which of several waiting messages is sent first. Within a chat, messages of the same priority
/// are sent in the order of acceptance.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Somebody waits for the message.
    #[default]
    Interactive,
    /// One of many messages; sent after every interactive one.
    Bulk,
}

impl Priority {
    /// The number in the database: lower numbers are sent first.
    #[must_use]
    pub fn number(self) -> i64 {
        match self {
            Self::Interactive => 0,
            Self::Bulk => 1,
        }
    }

    /// The reverse of [`Priority::number`].
    #[must_use]
    pub fn from_number(number: i64) -> Self {
        if number == 0 {
            Self::Interactive
        } else {
            Self::Bulk
        }
    }
}

/// A message that arrived, or that was written on another device of this account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InboundMessage {
    /// The bare id.
    pub id: MessageId,
    /// The chat it is in.
    pub chat: Address,
    /// Who wrote it; in a group this is not the chat.
    pub sender: Address,
    /// Whether it was written on the phone or another device of this account.
    pub from_me: bool,
    /// The name the sender gives themselves.
    pub push_name: Option<String>,
    /// The time that WhatsApp's server gave the message.
    pub sent_at: Timestamp,
    /// The content.
    #[serde(with = "content::stored")]
    pub content: Content,
    /// The message that it replies to.
    pub reply_to: Option<MessageId>,
}

/// The acknowledgement level of a sent message. The levels are ordered: each implies those before
/// it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum AckLevel {
    /// WhatsApp's server has it (1).
    Server,
    /// The recipient's device has it (2).
    Device,
    /// The recipient has opened the chat (3).
    Read,
    /// The recipient has played the voice note (4).
    Played,
}

impl AckLevel {
    /// The level for WhatsApp's number; `None` for "not acknowledged" and for failures.
    #[must_use]
    pub fn from_number(number: i64) -> Option<Self> {
        match number {
            1 => Some(Self::Server),
            2 => Some(Self::Device),
            3 => Some(Self::Read),
            4 => Some(Self::Played),
            _ => None,
        }
    }

    /// WhatsApp's number for this level, 1 to 4.
    #[must_use]
    pub fn number(self) -> i64 {
        match self {
            Self::Server => 1,
            Self::Device => 2,
            Self::Read => 3,
            Self::Played => 4,
        }
    }
}
