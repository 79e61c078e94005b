//! Messages, as the gateway and its plugins speak of them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Address, Timestamp};

/// The bare id of a WhatsApp message (`3EB0…`), never the serialized key: keys change with the address form.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MessageId(pub String);

impl MessageId {
    /// An id of the shape WhatsApp Web makes itself: `3EB0` and 18 upper-case hex digits. Receivers
    /// infer the sender's platform from that shape, so no other is used.
    #[must_use]
    pub fn from_random(random: [u8; 9]) -> Self {
        Self(format!("3EB0{}", hex::encode_upper(random)))
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Content {
    /// Text, with mentions.
    Text(Text),
    /// A file, by reference.
    Media(Media),
    /// A point on the map.
    Location(Location),
    /// Anything this version does not model.
    Other(OtherContent),
}

impl Content {
    /// A plain text.
    #[must_use]
    pub fn text(body: impl Into<String>) -> Self {
        Self::Text(Text { body: body.into(), mentions: Vec::new(), preview_links: true })
    }

    /// The text a person reads first: the body, or a caption.
    #[must_use]
    pub fn body(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(&text.body),
            Self::Media(media) => media.caption.as_deref(),
            Self::Location(_) | Self::Other(_) => None,
        }
    }
}

/// Text with mentions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// At most 4096 UTF-16 units when it comes from the API.
    pub body: String,
    /// Ids mentioned in the body as `@<user>`.
    #[serde(default)]
    pub mentions: Vec<String>,
    /// Whether a link may get a preview.
    #[serde(default)]
    pub preview_links: bool,
}

/// The kind of a media file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum MediaKind {
    Image,
    Video,
    Audio,
    Voice,
    Document,
    Sticker,
}

/// A file by reference: bytes never cross the plugin boundary.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// What it is shown as.
    pub kind: MediaKind,
    /// E.g. `image/png`.
    pub mime_type: String,
    /// Size of the file.
    pub size_bytes: u64,
    /// SHA-256 of the file, as far as known.
    #[serde(default)]
    pub sha256: Vec<u8>,
    /// Name shown to the recipient.
    #[serde(default)]
    pub file_name: Option<String>,
    /// Text under the file.
    #[serde(default)]
    pub caption: Option<String>,
}

/// A point on the map.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Location {
    /// Degrees, −90 to 90.
    pub latitude: f64,
    /// Degrees, −180 to 180.
    pub longitude: f64,
    /// Shown beside the pin.
    #[serde(default)]
    pub name: Option<String>,
}

/// A content kind this version does not model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OtherContent {
    /// WhatsApp's own type name, e.g. `multi_vcard`. Named so that it is not taken for the content's own tag.
    #[serde(rename = "type")]
    pub kind: String,
    /// A JSON object.
    pub json: String,
}

/// A message that wants to leave.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OutboundMessage {
    /// The recipient.
    pub to: Address,
    /// What it says.
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

/// What goes first when several messages wait. Within a chat the order of acceptance holds among those of one priority.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
        if number == 0 { Self::Interactive } else { Self::Bulk }
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
    pub content: Content,
    /// The message it answers.
    pub reply_to: Option<MessageId>,
}

/// How far a sent message has come. Ordered: a level implies those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_shape_whatsapp_web_makes() {
        let id = MessageId::from_random([0xAB; 9]);
        assert_eq!(id.0, "3EB0ABABABABABABABABAB");
        assert_eq!(id.0.len(), 22);
    }
}
