//! Temporary restrictions that WhatsApp imposes on an account. Both kinds concern strangers: people
//! with whom the account has no chat.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Timestamp;

/// The kind of restriction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RestrictionKind {
    /// The account may not write to strangers for a while (463).
    ReachOutTimeLock,
    /// The account has started as many new chats as it may in this month (475).
    NewChatLimit,
}

impl RestrictionKind {
    /// The kind for WhatsApp's error code.
    #[must_use]
    pub fn from_code(code: u32) -> Option<Self> {
        match code {
            463 => Some(Self::ReachOutTimeLock),
            475 => Some(Self::NewChatLimit),
            _ => None,
        }
    }

    /// WhatsApp's error code.
    #[must_use]
    pub fn code(self) -> u32 {
        match self {
            Self::ReachOutTimeLock => 463,
            Self::NewChatLimit => 475,
        }
    }

    /// The name in API, events and database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ReachOutTimeLock => "reach_out_time_lock",
            Self::NewChatLimit => "new_chat_limit",
        }
    }

    /// The reverse of [`RestrictionKind::as_str`].
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::ReachOutTimeLock, Self::NewChatLimit]
            .into_iter()
            .find(|kind| kind.as_str() == name)
    }
}

/// A restriction that applies now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restriction {
    /// The kind of restriction.
    pub kind: RestrictionKind,
    /// When it began.
    pub since: Timestamp,
    /// When it ends. If WhatsApp does not say so, when messages to strangers are tried again.
    pub until: Timestamp,
}
