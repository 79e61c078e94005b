//! The content of a message: one type for each kind. In wasm, the same definitions also produce the
//! conversions to and from the types that are generated from the contract.

use crate::{MessageId, Wid};

#[cfg(target_family = "wasm")]
use crate::glue::core::wharf::plugin::messages as wit;

/// Defines a struct whose fields have the same names as in the contract.
macro_rules! record {
    ($(#[$about:meta])* $Name:ident { $($(#[$doc:meta])* $field:ident: $type:ty,)+ }) => {
        $(#[$about])*
        #[non_exhaustive]
        pub struct $Name {
            $($(#[$doc])* pub $field: $type,)+
        }

        #[cfg(target_family = "wasm")]
        impl From<wit::$Name> for $Name {
            fn from(wit::$Name { $($field),+ }: wit::$Name) -> Self {
                Self { $($field: $field.into()),+ }
            }
        }

        #[cfg(target_family = "wasm")]
        impl From<$Name> for wit::$Name {
            fn from($Name { $($field),+ }: $Name) -> Self {
                Self { $($field: $field.into()),+ }
            }
        }
    };
}

/// Defines an enum whose variants have the same names as in the contract, each with or without a
/// value.
macro_rules! cases {
    ($(#[$about:meta])* $Name:ident { $($(#[$doc:meta])* $Case:ident $(($value:ident: $type:ty))?,)+ }) => {
        $(#[$about])*
        #[non_exhaustive]
        pub enum $Name {
            $($(#[$doc])* $Case $(($type))?,)+
        }

        #[cfg(target_family = "wasm")]
        impl From<wit::$Name> for $Name {
            fn from(case: wit::$Name) -> Self {
                match case {
                    $(wit::$Name::$Case $(($value))? => Self::$Case $(($value.into()))?,)+
                }
            }
        }

        #[cfg(target_family = "wasm")]
        impl From<$Name> for wit::$Name {
            fn from(case: $Name) -> Self {
                match case {
                    $($Name::$Case $(($value))? => Self::$Case $(($value.into()))?,)+
                }
            }
        }
    };
}

record! {
    /// Text with mentions.
    #[derive(Debug, Clone, PartialEq, Eq, Default)]
    Text {
        /// The text.
        body: String,
        /// Ids of the people mentioned in the body as `@<user>`.
        mentions: Vec<Wid>,
        /// Whether a link may get a preview.
        preview_links: bool,
    }
}

cases! {
    /// The kind of a media file.
    #[derive(Debug, Clone, PartialEq, Eq)]
    MediaKind {
        /// A picture.
        Image,
        /// A video, also one that is shown as a GIF.
        Video,
        /// An audio file.
        Audio,
        /// A voice note.
        Voice,
        /// Any file.
        Document,
        /// A sticker.
        Sticker,
        /// A kind that this version does not model.
        Other(name: String),
    }
}

/// A file by reference: plugins never get its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Media {
    /// The kind of the file.
    pub kind: MediaKind,
    /// The media type, e.g. `image/png`.
    pub mime_type: String,
    /// The size of the file in bytes; 0 when not known.
    pub size_bytes: u64,
    /// SHA-256 of the file; empty when not known.
    pub sha256: Vec<u8>,
    /// The name shown to the recipient.
    pub file_name: Option<String>,
    /// The text under the file.
    pub caption: Option<Caption>,
    /// The width of an image, a video or a sticker in pixels.
    pub width: Option<u32>,
    /// The height of an image, a video or a sticker in pixels.
    pub height: Option<u32>,
    /// The duration of a video, an audio file or a voice note in milliseconds.
    pub duration_ms: Option<u64>,
    /// What is special about the file.
    pub traits: MediaTraits,
    /// The gateway's id of the file, by which its bytes are asked for.
    pub reference: Option<String>,
}

#[cfg(target_family = "wasm")]
impl From<wit::Media> for Media {
    fn from(media: wit::Media) -> Self {
        Self {
            kind: media.kind.into(),
            mime_type: media.mime_type,
            size_bytes: media.size_bytes,
            sha256: media.sha256,
            file_name: media.file_name,
            caption: media.caption.map(Into::into),
            width: media.width,
            height: media.height,
            duration_ms: media.duration_ms,
            traits: media.traits.into(),
            reference: media.reference,
        }
    }
}

#[cfg(target_family = "wasm")]
impl From<Media> for wit::Media {
    fn from(media: Media) -> Self {
        Self {
            kind: media.kind.into(),
            mime_type: media.mime_type,
            size_bytes: media.size_bytes,
            sha256: media.sha256,
            file_name: media.file_name,
            caption: media.caption.map(Into::into),
            width: media.width,
            height: media.height,
            duration_ms: media.duration_ms,
            traits: media.traits.into(),
            reference: media.reference,
        }
    }
}

record! {
    /// The text under a file.
    #[derive(Debug, Clone, PartialEq, Eq, Default)]
    Caption {
        /// The text.
        body: String,
        /// Ids of the people mentioned in the body as `@<user>`.
        mentions: Vec<Wid>,
    }
}

/// What is special about a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct MediaTraits {
    /// A GIF as WhatsApp means it: a silent video that is repeated.
    pub gif: bool,
    /// Sent in high definition.
    pub hd: bool,
    /// Can be opened once.
    pub view_once: bool,
    /// A sticker that moves.
    pub animated: bool,
    /// The gateway has the waveform of a voice note.
    pub waveform: bool,
}

#[cfg(target_family = "wasm")]
impl From<wit::MediaTraits> for MediaTraits {
    fn from(traits: wit::MediaTraits) -> Self {
        Self {
            gif: traits.contains(wit::MediaTraits::GIF),
            hd: traits.contains(wit::MediaTraits::HD),
            view_once: traits.contains(wit::MediaTraits::VIEW_ONCE),
            animated: traits.contains(wit::MediaTraits::ANIMATED),
            waveform: traits.contains(wit::MediaTraits::WAVEFORM),
        }
    }
}

#[cfg(target_family = "wasm")]
impl From<MediaTraits> for wit::MediaTraits {
    fn from(traits: MediaTraits) -> Self {
        [
            (traits.gif, Self::GIF),
            (traits.hd, Self::HD),
            (traits.view_once, Self::VIEW_ONCE),
            (traits.animated, Self::ANIMATED),
            (traits.waveform, Self::WAVEFORM),
        ]
        .into_iter()
        .filter(|(is_set, _)| *is_set)
        .fold(Self::empty(), |all, (_, one)| all | one)
    }
}

record! {
    /// A geographic location.
    #[derive(Debug, Clone, PartialEq)]
    Location {
        /// Degrees, −90 to 90.
        latitude: f64,
        /// Degrees, −180 to 180.
        longitude: f64,
        /// The name shown beside the pin.
        name: Option<String>,
    }
}

record! {
    /// A contact card.
    #[derive(Debug, Clone, PartialEq, Eq)]
    Contact {
        /// The name shown in the chat.
        display_name: String,
        /// The text of a vCard.
        vcard: String,
    }
}

record! {
    /// A poll.
    #[derive(Debug, Clone, PartialEq, Eq)]
    Poll {
        /// The question.
        question: String,
        /// The options, in order.
        options: Vec<String>,
        /// How many options one person may choose; 0 means any number.
        selectable: u32,
    }
}

record! {
    /// An emoji reaction to a message.
    #[derive(Debug, Clone, PartialEq, Eq)]
    Reaction {
        /// The message that is reacted to.
        target: MessageId,
        /// One emoji; empty when the reaction is removed.
        emoji: String,
    }
}

record! {
    /// A new text for an earlier message.
    #[derive(Debug, Clone, PartialEq, Eq)]
    Edit {
        /// The message that is edited.
        target: MessageId,
        /// The new text.
        text: Text,
    }
}

record! {
    /// The deletion of a message.
    #[derive(Debug, Clone, PartialEq, Eq)]
    Delete {
        /// The message that is deleted.
        target: MessageId,
        /// Whether it is deleted for everyone in the chat, and not only on the devices of this
        /// account.
        for_everyone: bool,
    }
}

record! {
    /// A kind of content that this version does not model.
    #[derive(Debug, Clone, PartialEq, Eq)]
    OtherContent {
        /// WhatsApp's own type name, e.g. `multi_vcard`.
        kind: String,
        /// WhatsApp's data of it, as a JSON object.
        json: String,
    }
}

cases! {
    /// The content of a message. The gateway cannot send every kind yet: a validator gets only the
    /// kinds that it can send, a notifier may get any.
    #[derive(Debug, Clone, PartialEq)]
    Content {
        /// Text, with mentions.
        Text(text: Text),
        /// A file.
        Media(media: Media),
        /// A geographic location.
        Location(location: Location),
        /// A contact card.
        Contact(contact: Contact),
        /// A poll.
        Poll(poll: Poll),
        /// An emoji reaction to a message.
        Reaction(reaction: Reaction),
        /// A new text for an earlier message.
        Edit(edit: Edit),
        /// The deletion of a message.
        Delete(delete: Delete),
        /// Anything else.
        Other(other: OtherContent),
    }
}

impl Text {
    /// A text that mentions nobody, without link preview.
    #[must_use]
    pub fn new(body: impl Into<String>) -> Self {
        Self {
            body: body.into(),
            ..Self::default()
        }
    }

    /// Sets the ids that the body mentions as `@<user>`.
    #[must_use]
    pub fn mentions(mut self, ids: Vec<Wid>) -> Self {
        self.mentions = ids;
        self
    }

    /// Sets whether a link may get a preview.
    #[must_use]
    pub fn preview_links(mut self, allowed: bool) -> Self {
        self.preview_links = allowed;
        self
    }
}

impl Caption {
    /// A caption that mentions nobody.
    #[must_use]
    pub fn new(body: impl Into<String>) -> Self {
        Self {
            body: body.into(),
            mentions: Vec::new(),
        }
    }
}

impl Media {
    /// A file of which nothing else is known.
    #[must_use]
    pub fn new(kind: MediaKind, mime_type: impl Into<String>) -> Self {
        Self {
            kind,
            mime_type: mime_type.into(),
            size_bytes: 0,
            sha256: Vec::new(),
            file_name: None,
            caption: None,
            width: None,
            height: None,
            duration_ms: None,
            traits: MediaTraits::default(),
            reference: None,
        }
    }

    /// Sets the text under the file.
    #[must_use]
    pub fn caption(mut self, caption: impl Into<String>) -> Self {
        self.caption = Some(Caption::new(caption));
        self
    }
}

impl Location {
    /// A location without a name.
    #[must_use]
    pub fn new(latitude: f64, longitude: f64) -> Self {
        Self {
            latitude,
            longitude,
            name: None,
        }
    }

    /// Sets the name that is shown beside the pin.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

impl Contact {
    /// A contact card.
    #[must_use]
    pub fn new(display_name: impl Into<String>, vcard: impl Into<String>) -> Self {
        Self {
            display_name: display_name.into(),
            vcard: vcard.into(),
        }
    }
}

impl Poll {
    /// A poll of which one person may choose `selectable` options; 0 means any number.
    #[must_use]
    pub fn new(question: impl Into<String>, options: Vec<String>, selectable: u32) -> Self {
        Self {
            question: question.into(),
            options,
            selectable,
        }
    }
}

impl Reaction {
    /// A reaction to a message; an empty `emoji` removes it.
    #[must_use]
    pub fn new(target: impl Into<MessageId>, emoji: impl Into<String>) -> Self {
        Self {
            target: target.into(),
            emoji: emoji.into(),
        }
    }
}

impl Edit {
    /// A new text for a message.
    #[must_use]
    pub fn new(target: impl Into<MessageId>, text: Text) -> Self {
        Self {
            target: target.into(),
            text,
        }
    }
}

impl Delete {
    /// The deletion of a message, for everyone in the chat or on the devices of this account only.
    #[must_use]
    pub fn new(target: impl Into<MessageId>, for_everyone: bool) -> Self {
        Self {
            target: target.into(),
            for_everyone,
        }
    }
}

impl OtherContent {
    /// A kind of content that this version does not model, with its data as a JSON object.
    #[must_use]
    pub fn new(kind: impl Into<String>, json: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            json: json.into(),
        }
    }
}

impl Content {
    /// A plain text without link preview.
    #[must_use]
    pub fn text(body: impl Into<String>) -> Self {
        Self::Text(Text::new(body))
    }

    /// The main text of the message: the body, the caption, the question of a poll, or the new text
    /// of an edit.
    #[must_use]
    pub fn body(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(&text.body),
            Self::Media(media) => media.caption.as_ref().map(|caption| &*caption.body),
            Self::Poll(poll) => Some(&poll.question),
            Self::Edit(edit) => Some(&edit.text.body),
            Self::Location(_)
            | Self::Contact(_)
            | Self::Reaction(_)
            | Self::Delete(_)
            | Self::Other(_) => None,
        }
    }
}
