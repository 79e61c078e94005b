//! What a message says: its kinds, each laid out once. In wasm the same list makes what turns them
//! into the types that are generated of the contract, and back.

use crate::{MessageId, Wid};

#[cfg(target_family = "wasm")]
use crate::glue::core::wharf::plugin::messages as wit;

/// A type whose fields have the names that they have in the contract.
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

/// A type of cases that have the names that they have in the contract, with or without something in
/// them.
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
        /// Ids mentioned in the body as `@<user>`.
        mentions: Vec<Wid>,
        /// Whether a link may get a preview.
        preview_links: bool,
    }
}

cases! {
    /// What a media file is shown as.
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
    /// A file by reference: bytes never cross the plugin boundary.
    #[derive(Debug, Clone, PartialEq, Eq)]
    Media {
        /// What it is shown as.
        kind: MediaKind,
        /// E.g. `image/png`.
        mime_type: String,
        /// Size of the file.
        size_bytes: u64,
        /// SHA-256 of the file; empty when not known.
        sha256: Vec<u8>,
        /// Name shown to the recipient.
        file_name: Option<String>,
        /// Text under the file.
        caption: Option<String>,
    }
}

record! {
    /// A point on the map.
    #[derive(Debug, Clone, PartialEq)]
    Location {
        /// Degrees, −90 to 90.
        latitude: f64,
        /// Degrees, −180 to 180.
        longitude: f64,
        /// Shown beside the pin.
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
    /// A question with options to choose from.
    #[derive(Debug, Clone, PartialEq, Eq)]
    Poll {
        /// What is asked.
        question: String,
        /// What can be chosen, in order.
        options: Vec<String>,
        /// How many of them one person may choose; 0: any number.
        selectable: u32,
    }
}

record! {
    /// An emoji on a message.
    #[derive(Debug, Clone, PartialEq, Eq)]
    Reaction {
        /// The message reacted to.
        target: MessageId,
        /// One emoji; empty: the reaction is taken back.
        emoji: String,
    }
}

record! {
    /// Another text for a message.
    #[derive(Debug, Clone, PartialEq, Eq)]
    Edit {
        /// The message that is changed.
        target: MessageId,
        /// What it says from now on.
        text: Text,
    }
}

record! {
    /// A message taken back.
    #[derive(Debug, Clone, PartialEq, Eq)]
    Delete {
        /// The message that goes.
        target: MessageId,
        /// For everyone in the chat; otherwise on the devices of this account only.
        for_everyone: bool,
    }
}

record! {
    /// A content kind this version does not model.
    #[derive(Debug, Clone, PartialEq, Eq)]
    OtherContent {
        /// WhatsApp's own type name, e.g. `multi_vcard`.
        kind: String,
        /// A JSON object.
        json: String,
    }
}

cases! {
    /// What a message says. The gateway cannot send every kind yet; a validator is asked about
    /// those that it can, a notifier may be told of any.
    #[derive(Debug, Clone, PartialEq)]
    Content {
        /// Text, with mentions.
        Text(text: Text),
        /// A file.
        Media(media: Media),
        /// A point on the map.
        Location(location: Location),
        /// A contact card.
        Contact(contact: Contact),
        /// A question with options to choose from.
        Poll(poll: Poll),
        /// An emoji on a message.
        Reaction(reaction: Reaction),
        /// Another text for a message.
        Edit(edit: Edit),
        /// A message taken back.
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

    /// The text a person reads first: the body, a caption, a poll's question, or what an edit makes
    /// of it.
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
