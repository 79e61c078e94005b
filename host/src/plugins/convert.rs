//! Conversions between the gateway's model and the generated types of the present line.

use super::{
    bindings::{
        exports::wharf::plugin::lifecycle::ConfigIssue,
        wharf::plugin::{calls, messages},
    },
    text::PluginText,
};
use crate::model::{
    Address, Contact, Content, Delete, Edit, InboundMessage, Location, Media, MediaDetails,
    MediaKind, MediaTrait, MessageId, OtherContent, OutboundMessage, Poll, Reaction, Text,
    Timestamp,
};

/// Milliseconds since the Unix epoch; a time before it is the epoch.
pub(super) fn time(at: Timestamp) -> u64 {
    u64::try_from(at.0).unwrap_or(0)
}

impl From<&Address> for messages::Address {
    fn from(address: &Address) -> Self {
        Self {
            chat: address.chat.clone(),
            pn: address.pn.clone(),
            lid: address.lid.clone(),
        }
    }
}

impl From<messages::Address> for Address {
    fn from(address: messages::Address) -> Self {
        Self {
            chat: address.chat,
            pn: address.pn,
            lid: address.lid,
        }
    }
}

/// Converts an enum to another one with the same variants.
macro_rules! same {
    ($ours:ty, $theirs:ty, $($name:ident),+) => {
        impl From<$ours> for $theirs {
            fn from(value: $ours) -> Self {
                match value { $(<$ours>::$name => Self::$name),+ }
            }
        }
    };
}
pub(super) use same;

impl From<messages::MessageId> for MessageId {
    fn from(id: messages::MessageId) -> Self {
        Self(id)
    }
}

impl From<MessageId> for messages::MessageId {
    fn from(id: MessageId) -> Self {
        id.0
    }
}

/// Kinds of content whose fields have the same names on both sides.
macro_rules! contents {
    ($($Variant:ident($Kind:ident) { $($field:ident),+ })+) => {
        $(impl From<$Kind> for messages::$Kind {
            fn from($Kind { $($field),+ }: $Kind) -> Self {
                Self { $($field: $field.into()),+ }
            }
        }

        impl From<messages::$Kind> for $Kind {
            fn from(messages::$Kind { $($field),+ }: messages::$Kind) -> Self {
                Self { $($field: $field.into()),+ }
            }
        })+

        impl From<&Content> for messages::Content {
            fn from(content: &Content) -> Self {
                match content.clone() {
                    Content::Media(file) => Self::Media(file.into()),
                    $(Content::$Variant(content) => Self::$Variant(content.into()),)+
                }
            }
        }

        impl From<messages::Content> for Content {
            fn from(content: messages::Content) -> Self {
                match content {
                    messages::Content::Media(file) => media(file),
                    $(messages::Content::$Variant(content) => Self::$Variant(content.into()),)+
                }
            }
        }
    };
}
contents! {
    Text(Text) { body, mentions, preview_links }
    Location(Location) { latitude, longitude, name }
    Contact(Contact) { display_name, vcard }
    Poll(Poll) { question, options, selectable }
    Reaction(Reaction) { target, emoji }
    Edit(Edit) { target, text }
    Delete(Delete) { target, for_everyone }
    Other(OtherContent) { kind, json }
}

impl From<Media> for messages::Media {
    fn from(file: Media) -> Self {
        let MediaDetails {
            mentions,
            width,
            height,
            duration_ms,
            traits,
            reference,
        } = file.details;
        Self {
            kind: match file.kind {
                MediaKind::Image => messages::MediaKind::Image,
                MediaKind::Video => messages::MediaKind::Video,
                MediaKind::Audio => messages::MediaKind::Audio,
                MediaKind::Voice => messages::MediaKind::Voice,
                MediaKind::Document => messages::MediaKind::Document,
                MediaKind::Sticker => messages::MediaKind::Sticker,
            },
            mime_type: file.mime_type,
            size_bytes: file.size_bytes,
            sha256: file.sha256,
            file_name: file.file_name,
            caption: file
                .caption
                .map(|body| messages::Caption { body, mentions }),
            width,
            height,
            duration_ms,
            traits: TRAITS
                .into_iter()
                .filter(|(ours, _)| traits.contains(ours))
                .fold(messages::MediaTraits::empty(), |all, (_, theirs)| {
                    all | theirs
                }),
            reference,
        }
    }
}

const TRAITS: [(MediaTrait, messages::MediaTraits); 5] = [
    (MediaTrait::Gif, messages::MediaTraits::GIF),
    (MediaTrait::Hd, messages::MediaTraits::HD),
    (MediaTrait::ViewOnce, messages::MediaTraits::VIEW_ONCE),
    (MediaTrait::Animated, messages::MediaTraits::ANIMATED),
    (MediaTrait::Waveform, messages::MediaTraits::WAVEFORM),
];

/// A file that a plugin describes. One of a kind that the gateway does not have is a content that
/// it does not model.
fn media(file: messages::Media) -> Content {
    let kind = match file.kind {
        messages::MediaKind::Image => MediaKind::Image,
        messages::MediaKind::Video => MediaKind::Video,
        messages::MediaKind::Audio => MediaKind::Audio,
        messages::MediaKind::Voice => MediaKind::Voice,
        messages::MediaKind::Document => MediaKind::Document,
        messages::MediaKind::Sticker => MediaKind::Sticker,
        messages::MediaKind::Other(kind) => {
            return Content::Other(OtherContent {
                kind,
                json: "{}".into(),
            });
        }
    };
    let (caption, mentions) = file.caption.map_or((None, vec![]), |caption| {
        (Some(caption.body), caption.mentions)
    });
    Content::Media(Media {
        kind,
        mime_type: file.mime_type,
        size_bytes: file.size_bytes,
        sha256: file.sha256,
        file_name: file.file_name,
        caption,
        details: MediaDetails {
            mentions,
            width: file.width,
            height: file.height,
            duration_ms: file.duration_ms,
            traits: TRAITS
                .into_iter()
                .filter(|(_, theirs)| file.traits.contains(*theirs))
                .map(|(ours, _)| ours)
                .collect(),
            reference: file.reference,
        },
    })
}

impl From<&OutboundMessage> for messages::OutboundMessage {
    fn from(message: &OutboundMessage) -> Self {
        Self {
            to: (&message.to).into(),
            content: (&message.content).into(),
            reply_to: message.reply_to.as_ref().map(|id| id.0.clone()),
            send_at: message.send_at.map(time),
            metadata: message.metadata.clone(),
            extra: vec![],
        }
    }
}

impl From<messages::OutboundMessage> for OutboundMessage {
    fn from(message: messages::OutboundMessage) -> Self {
        Self {
            to: message.to.into(),
            content: message.content.into(),
            reply_to: message.reply_to.map(MessageId),
            send_at: message
                .send_at
                .and_then(|at| i64::try_from(at).ok())
                .map(Timestamp),
            metadata: message.metadata,
        }
    }
}

impl From<&InboundMessage> for messages::InboundMessage {
    fn from(message: &InboundMessage) -> Self {
        Self {
            id: message.id.0.clone(),
            chat: (&message.chat).into(),
            sender: (&message.sender).into(),
            from_me: message.from_me,
            push_name: message.push_name.clone(),
            sent_at: time(message.sent_at),
            content: (&message.content).into(),
            reply_to: message.reply_to.as_ref().map(|id| id.0.clone()),
            extra: vec![],
        }
    }
}

/// Why a content that a plugin returned cannot be kept or sent; none if it can. A location that is not
/// a number cannot be written as JSON, so its message could never be read again.
pub(super) fn unusable(content: &Content) -> Option<&'static str> {
    match content {
        Content::Location(location)
            if !(-90.0..=90.0).contains(&location.latitude)
                || !(-180.0..=180.0).contains(&location.longitude) =>
        {
            Some("it returned a location that is not on the earth")
        }
        _ => None,
    }
}

/// The description of an error that a plugin returned. Its kind has no other effect.
pub(super) fn failure(error: calls::Error) -> PluginText {
    let reason = match error {
        calls::Error::InvalidInput(reason) => format!("invalid input: {reason}"),
        calls::Error::NotGranted(reason) => format!("not granted: {reason}"),
        calls::Error::Unavailable(reason) | calls::Error::Internal(reason) => reason,
    };
    reason.as_str().into()
}

/// What a plugin finds wrong with its configuration, in one line.
pub(super) fn issues(issues: &[ConfigIssue]) -> String {
    issues
        .iter()
        .map(|issue| format!("config at {}: {}", issue.path, issue.message))
        .collect::<Vec<_>>()
        .join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::content::tests::every_kind;

    #[test]
    fn every_kind_comes_back_from_a_plugin_as_it_went() {
        for content in every_kind() {
            assert_eq!(Content::from(messages::Content::from(&content)), content);
        }
    }
}
