//! The recipient of a message: a phone number, or a chat by its id.
//!
//! A text is parsed completely or refused, naming the part that is wrong: a part that is ignored
//! had a meaning, and what is left is somebody else's number.

mod id;
mod invalid;
mod number;
mod scan;
mod zero;

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use id::ChatId;
pub use invalid::InvalidRecipient;
pub use number::PhoneNumber;

use self::id::Id;
use super::Region;

/// The recipient of a message, as the caller gave it.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(into = "String", try_from = "String")]
#[schemars(inline)]
pub enum Recipient {
    /// A phone number, whose chat has to be looked up.
    Number(PhoneNumber),
    /// A person, by their opaque id, or a group.
    Chat(ChatId),
}

impl Recipient {
    /// Parses a caller's text: a number as people write it (`region` completes a leading `0`), or
    /// one of WhatsApp's ids.
    ///
    /// # Errors
    /// See [`InvalidRecipient`].
    pub fn read(text: &str, region: Option<Region>) -> Result<Self, InvalidRecipient> {
        if text.contains('@') {
            id::read(text.trim()).map(Self::from)
        } else {
            PhoneNumber::read(text, region).map(Self::Number)
        }
    }

    /// The number, if the recipient was given by number.
    #[must_use]
    pub fn number(&self) -> Option<&PhoneNumber> {
        match self {
            Self::Number(number) => Some(number),
            Self::Chat(_) => None,
        }
    }

    /// Whether the recipient is a group.
    #[must_use]
    pub fn is_group(&self) -> bool {
        matches!(self, Self::Chat(chat) if chat.is_group())
    }

    /// Whether the recipient is a person of whom only the opaque id is known.
    #[must_use]
    pub fn is_lid(&self) -> bool {
        matches!(self, Self::Chat(chat) if !chat.is_group())
    }
}

impl From<Id> for Recipient {
    fn from(id: Id) -> Self {
        match id {
            Id::Number(number) => Self::Number(number),
            Id::Chat(chat) => Self::Chat(chat),
        }
    }
}

impl From<PhoneNumber> for Recipient {
    fn from(number: PhoneNumber) -> Self {
        Self::Number(number)
    }
}

/// Digits, or the chat's id.
impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Chat(chat) => chat.fmt(f),
        }
    }
}

/// The reverse of `Display` only; [`Recipient::read`] parses callers' texts.
impl FromStr for Recipient {
    type Err = InvalidRecipient;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains('@') {
            text.parse().map(Self::Chat)
        } else {
            text.parse().map(Self::Number)
        }
    }
}

impl From<Recipient> for String {
    fn from(recipient: Recipient) -> Self {
        recipient.to_string()
    }
}

impl TryFrom<String> for Recipient {
    type Error = InvalidRecipient;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests;
