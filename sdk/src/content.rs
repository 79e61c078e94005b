//! The content of a message: one type for each kind. In wasm, the same definitions also produce the
//! conversions to and from the types that are generated from the contract.

use crate::{MessageId, Wid};

#[cfg(target_family = "wasm")]
use crate::glue::core::wharf::plugin::messages as wit;

/// Defines a struct whose fields have the same names as in the contract.
macro_rules! record {
    ($(#[$about:meta])* $Name:ident { $($(#[$doc:meta])* $field:ident: $type:ty,)+ }) => {
        $(#[$about])*
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
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    #[expect(missing_docs, reason = "the names say it")]
    MediaKind {
        Image,
        Video,
        Audio,
        Voice,
        Document,
        Sticker,
    }
}

record! {
    /// A file by reference: plugins never get its bytes.
    #[derive(Debug, Clone, PartialEq, Eq)]
    Media {
        /// The kind of the file.
        kind: MediaKind,
        /// The media type, e.g. `image/png`.
        mime_type: String,
        /// The size of the file in bytes.
        size_bytes: u64,
        /// SHA-256 of the file; empty when not known.
        sha256: Vec<u8>,
        /// The name shown to the recipient.
        file_name: Option<String>,
        /// The text under the file.
        caption: Option<String>,
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

impl Content {
    /// A plain text without link preview.
    #[must_use]
    pub fn text(body: impl Into<String>) -> Self {
        Self::Text(Text {
            body: body.into(),
            ..Text::default()
        })
    }

    /// The main text of the message: the body, the caption, the question of a poll, or the new text
    /// of an edit.
    #[must_use]
    pub fn body(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(&text.body),
            Self::Media(media) => media.caption.as_deref(),
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
