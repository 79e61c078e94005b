//! Messages, as the gateway and its plugins speak of them.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Address, Timestamp};

/// The bare id of a WhatsApp message (`3EB0…`), never the serialized key: keys change with the address form.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
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

/// What a message says: the one vocabulary from the API through plugins and the outbox to the bridge, and back.
///
/// Closed, so that a kind is either known everywhere or [`Content::Other`]; which of them can be sent today says
/// [`Content::can_be_sent`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Content {
    /// Text, with mentions.
    Text(Text),
    /// A file, by reference.
    Media(Media),
    /// A point on the map.
    Location(Location),
    /// A contact card.
    Contact(Contact),
    /// A question with options to choose from.
    Poll(Poll),
    /// An emoji on a message.
    Reaction(Reaction),
    /// Another text for a message.
    Edit(Edit),
    /// A message taken back.
    Delete(Delete),
    /// Anything this version does not model.
    Other(OtherContent),
}

impl Content {
    /// Names of the kinds that can be sent, as in [`Content::kind`].
    pub const SENDABLE: [&str; 3] = ["text", "location", "contact"];

    /// A plain text.
    #[must_use]
    pub fn text(body: impl Into<String>) -> Self {
        Self::Text(Text { body: body.into(), mentions: Vec::new(), preview_links: true })
    }

    /// The text a person reads first: the body, a caption, a poll's question, or what an edit makes of it. Limits and
    /// bans of words look at it.
    #[must_use]
    pub fn body(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(&text.body),
            Self::Media(media) => media.caption.as_deref(),
            Self::Poll(poll) => Some(&poll.question),
            Self::Edit(edit) => Some(&edit.text.body),
            Self::Location(_) | Self::Contact(_) | Self::Reaction(_) | Self::Delete(_) | Self::Other(_) => None,
        }
    }

    /// The kind's name: in the API, in the database and to the bridge.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Media(_) => "media",
            Self::Location(_) => "location",
            Self::Contact(_) => "contact",
            Self::Poll(_) => "poll",
            Self::Reaction(_) => "reaction",
            Self::Edit(_) => "edit",
            Self::Delete(_) => "delete",
            Self::Other(_) => "other",
        }
    }

    /// Whether the bridge knows how to make it.
    #[must_use]
    pub fn can_be_sent(&self) -> bool {
        Self::SENDABLE.contains(&self.kind())
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
    /// What it is shown as. Named so that it is not taken for the content's own tag.
    #[serde(rename = "media_kind")]
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

/// A contact card.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// The name shown in the chat.
    pub display_name: String,
    /// The card itself: the text of a vCard.
    pub vcard: String,
}

/// A question with options to choose from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Poll {
    /// What is asked.
    pub question: String,
    /// What can be chosen, in order.
    pub options: Vec<String>,
    /// How many of them one person may choose; 0: any number.
    #[serde(default)]
    pub selectable: u32,
}

/// An emoji on a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    /// The message reacted to.
    pub target: MessageId,
    /// One emoji; empty: the reaction is taken back.
    pub emoji: String,
}

/// Another text for a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// The message that is changed.
    pub target: MessageId,
    /// What it says from now on.
    pub text: Text,
}

/// A message taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delete {
    /// The message that goes.
    pub target: MessageId,
    /// For everyone in the chat; otherwise on the devices of this account only.
    pub for_everyone: bool,
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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
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

    #[test]
    fn every_kind_is_read_as_it_was_written() {
        let text = Text { body: "hi @4915123456789".into(), mentions: vec!["4915123456789@c.us".into()], preview_links: true };
        let target = MessageId("3EB0".into());
        let media = Media {
            kind: MediaKind::Voice,
            mime_type: "audio/ogg".into(),
            size_bytes: 9,
            sha256: vec![1],
            file_name: None,
            caption: Some("listen".into()),
        };
        for (content, body) in [
            (Content::Text(text.clone()), Some("hi @4915123456789")),
            (Content::Media(media), Some("listen")),
            (Content::Location(Location { latitude: 52.5, longitude: -13.4, name: None }), None),
            (Content::Contact(Contact { display_name: "Ada".into(), vcard: "BEGIN:VCARD".into() }), None),
            (Content::Poll(Poll { question: "When?".into(), options: vec!["now".into(), "later".into()], selectable: 1 }), Some("When?")),
            (Content::Reaction(Reaction { target: target.clone(), emoji: "👍".into() }), None),
            (Content::Edit(Edit { target: target.clone(), text }), Some("hi @4915123456789")),
            (Content::Delete(Delete { target, for_everyone: true }), None),
            (Content::Other(OtherContent { kind: "multi_vcard".into(), json: "{}".into() }), None),
        ] {
            let json = serde_json::to_value(&content).expect("written");
            assert_eq!(json["kind"], content.kind());
            // Through text, as in the database: a name used twice would be seen only there.
            assert_eq!(serde_json::from_str::<Content>(&serde_json::to_string(&content).expect("written")).expect("read"), content);
            assert_eq!(content.body(), body, "{}", content.kind());
        }
    }

    #[test]
    fn what_an_earlier_version_has_stored_is_still_read() {
        for (json, content) in [
            (r#"{"kind":"text","body":"hi"}"#, Content::Text(Text { body: "hi".into(), mentions: vec![], preview_links: false })),
            (
                r#"{"kind":"location","latitude":1.0,"longitude":2.0,"name":null}"#,
                Content::Location(Location { latitude: 1.0, longitude: 2.0, name: None }),
            ),
        ] {
            assert_eq!(serde_json::from_str::<Content>(json).expect("read"), content);
        }
    }
}
