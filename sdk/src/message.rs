//! The vocabulary of WhatsApp messages.

/// `15551234567@c.us`, `…@lid`, `…@g.us`, `…@newsletter`, `status@broadcast`.
pub type Wid = String;
/// The bare id (`3EB0…`), never the serialized key: keys change with the address form.
pub type MessageId = String;
/// Milliseconds since the Unix epoch, UTC.
pub type Timestamp = u64;

/// Who or where, in both forms when both are known: WhatsApp is moving from phone numbers (`pn`) to
/// opaque ids (`lid`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Address {
    /// The chat.
    pub chat: Wid,
    /// The phone-number form, `…@c.us`, when known.
    pub pn: Option<Wid>,
    /// The opaque form, `…@lid`, when known.
    pub lid: Option<Wid>,
}

impl Address {
    /// The address of an international phone number, digits only.
    #[must_use]
    pub fn of_number(digits: &str) -> Self {
        let wid = format!("{digits}@c.us");
        Self { chat: wid.clone(), pn: Some(wid), lid: None }
    }

    /// The digits of the phone number, when one is known.
    #[must_use]
    pub fn number(&self) -> Option<&str> {
        let digits = self.pn.as_deref().unwrap_or(&self.chat).strip_suffix("@c.us")?;
        (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then_some(digits)
    }
}

/// Text with mentions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text {
    /// The text.
    pub body: String,
    /// Ids mentioned in the body as `@<user>`.
    pub mentions: Vec<Wid>,
    /// Whether a link may get a preview.
    pub preview_links: bool,
}

/// What a media file is shown as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Media {
    /// What it is shown as.
    pub kind: MediaKind,
    /// E.g. `image/png`.
    pub mime_type: String,
    /// Size of the file.
    pub size_bytes: u64,
    /// SHA-256 of the file; empty when not known.
    pub sha256: Vec<u8>,
    /// Name shown to the recipient.
    pub file_name: Option<String>,
    /// Text under the file.
    pub caption: Option<String>,
}

/// A point on the map.
#[derive(Debug, Clone, PartialEq)]
pub struct Location {
    /// Degrees, −90 to 90.
    pub latitude: f64,
    /// Degrees, −180 to 180.
    pub longitude: f64,
    /// Shown beside the pin.
    pub name: Option<String>,
}

/// A contact card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// The name shown in the chat.
    pub display_name: String,
    /// The text of a vCard.
    pub vcard: String,
}

/// A question with options to choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poll {
    /// What is asked.
    pub question: String,
    /// What can be chosen, in order.
    pub options: Vec<String>,
    /// How many of them one person may choose; 0: any number.
    pub selectable: u32,
}

/// An emoji on a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reaction {
    /// The message reacted to.
    pub target: MessageId,
    /// One emoji; empty: the reaction is taken back.
    pub emoji: String,
}

/// Another text for a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The message that is changed.
    pub target: MessageId,
    /// What it says from now on.
    pub text: Text,
}

/// A message taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delete {
    /// The message that goes.
    pub target: MessageId,
    /// For everyone in the chat; otherwise on the devices of this account only.
    pub for_everyone: bool,
}

/// A content kind this version does not model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherContent {
    /// WhatsApp's own type name, e.g. `multi_vcard`.
    pub kind: String,
    /// A JSON object.
    pub json: String,
}

/// What a message says. The gateway cannot send every kind yet; a validator is asked about those that it can, a notifier
/// may be told of any.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Text, with mentions.
    Text(Text),
    /// A file.
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
    /// Anything else.
    Other(OtherContent),
}

impl Content {
    /// A plain text without link preview.
    #[must_use]
    pub fn text(body: impl Into<String>) -> Self {
        Self::Text(Text { body: body.into(), ..Text::default() })
    }

    /// The text a person reads first: the body, a caption, a poll's question, or what an edit makes of it.
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
}

/// A message that wants to leave.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboundMessage {
    /// The recipient.
    pub to: Address,
    /// What it says.
    pub content: Content,
    /// The message it answers.
    pub reply_to: Option<MessageId>,
    /// When the caller wants it sent; none means now.
    pub send_at: Option<Timestamp>,
    /// Free-form pairs from the API caller, e.g. a campaign id.
    pub metadata: Vec<(String, String)>,
}

impl OutboundMessage {
    /// A message with nothing but recipient and content.
    #[must_use]
    pub fn new(to: Address, content: Content) -> Self {
        Self { to, content, reply_to: None, send_at: None, metadata: Vec::new() }
    }
}

/// A message that arrived, or that was typed on another device of this account.
#[derive(Debug, Clone, PartialEq)]
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
    /// What it says. Without the `bodies` grant everything in it that a person wrote is empty.
    pub content: Content,
    /// The message it answers.
    pub reply_to: Option<MessageId>,
}
