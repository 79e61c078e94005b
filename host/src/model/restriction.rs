//! What WhatsApp does not let an account do for a while. Both kinds concern people the account has
//! no chat with.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Timestamp;

/// Which one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RestrictionKind {
    /// Nobody new may be written to for a while (463).
    ReachOutTimeLock,
    /// This month's number of new chats is used up (475).
    NewChatLimit,
}

impl RestrictionKind {
    /// The kind that a refusal with WhatsApp's code means.
    #[must_use]
    pub fn from_code(code: u32) -> Option<Self> {
        match code {
            463 => Some(Self::ReachOutTimeLock),
            475 => Some(Self::NewChatLimit),
            _ => None,
        }
    }

    /// WhatsApp's code.
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

/// A restriction that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Restriction {
    /// Which one.
    pub kind: RestrictionKind,
    /// Since when.
    pub since: Timestamp,
    /// When it ends; where WhatsApp does not say so, when strangers are tried again.
    pub until: Timestamp,
}
