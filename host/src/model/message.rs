//! Messages, as the gateway and its plugins speak of them. Their serde form is the stored one.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    address::Address,
    content::{self, Content},
    message_id::MessageId,
    time::Timestamp,
};

/// A message that wants to leave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutboundMessage {
    /// The recipient.
    pub to: Address,
    /// What it says.
    #[serde(with = "content::stored")]
    pub content: Content,
    /// The message it answers.
    #[serde(default)]
    pub reply_to: Option<MessageId>,
    /// When the caller wants it sent; none means now.
    #[serde(default)]
    pub send_at: Option<Timestamp>,
    /// Free-form pairs from the API caller.
    #[serde(default)]
    pub metadata: Vec<(String, String)>,
}

/// What goes first when several messages wait. Within a chat the order of acceptance holds among
/// those of one priority.
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
    /// Somebody waits for it.
    #[default]
    Interactive,
    /// One of many; after every interactive one.
    Bulk,
}

impl Priority {
    /// Its place in the line: lower goes first.
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

/// A message that arrived, or that was typed on the phone of this account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InboundMessage {
    /// Bare id.
    pub id: MessageId,
    /// The chat it is in.
    pub chat: Address,
    /// Who wrote it (in a group not the chat).
    pub sender: Address,
    /// Typed on the phone or another device of this account.
    pub from_me: bool,
    /// The name the sender gives themselves.
    pub push_name: Option<String>,
    /// The server's time of the message.
    pub sent_at: Timestamp,
    /// What it says.
    #[serde(with = "content::stored")]
    pub content: Content,
    /// The message it answers.
    pub reply_to: Option<MessageId>,
}

/// How far a sent message has come. Ordered: a level implies those before it.
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
    /// From WhatsApp's number; none for "not acknowledged" and for failures.
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
