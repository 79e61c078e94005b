//! Between the gateway's model and the generated types.

use super::{
    bindings::{
        exports::wharf::plugin::lifecycle::ConfigIssue,
        wharf::plugin::{calls, messages},
    },
    text::PluginText,
};
use crate::model::{
    Address, Contact, Content, Delete, Edit, InboundMessage, Location, Media, MediaKind, MessageId, OtherContent, OutboundMessage, Poll, Reaction,
    Text, Timestamp,
};

/// Milliseconds since the Unix epoch; a time before it is the epoch.
pub(super) fn time(at: Timestamp) -> u64 {
    u64::try_from(at.0).unwrap_or(0)
}

impl From<&Address> for messages::Address {
    fn from(address: &Address) -> Self {
        Self { chat: address.chat.clone(), pn: address.pn.clone(), lid: address.lid.clone() }
    }
}

impl From<messages::Address> for Address {
    fn from(address: messages::Address) -> Self {
        Self { chat: address.chat, pn: address.pn, lid: address.lid }
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
same!(MediaKind, messages::MediaKind, Image, Video, Audio, Voice, Document, Sticker);
same!(messages::MediaKind, MediaKind, Image, Video, Audio, Voice, Document, Sticker);
pub(super) use same;

impl From<Text> for messages::Text {
    fn from(Text { body, mentions, preview_links }: Text) -> Self {
        Self { body, mentions, preview_links }
    }
}

impl From<messages::Text> for Text {
    fn from(messages::Text { body, mentions, preview_links }: messages::Text) -> Self {
        Self { body, mentions, preview_links }
    }
}

impl From<&Content> for messages::Content {
    fn from(content: &Content) -> Self {
        match content.clone() {
            Content::Text(text) => Self::Text(text.into()),
            Content::Media(media) => Self::Media(messages::Media {
                kind: media.kind.into(),
                mime_type: media.mime_type,
                size_bytes: media.size_bytes,
                sha256: media.sha256,
                file_name: media.file_name,
                caption: media.caption,
            }),
            Content::Location(place) => Self::Location(messages::Location { latitude: place.latitude, longitude: place.longitude, name: place.name }),
            Content::Contact(card) => Self::Contact(messages::Contact { display_name: card.display_name, vcard: card.vcard }),
            Content::Poll(Poll { question, options, selectable }) => Self::Poll(messages::Poll { question, options, selectable }),
            Content::Reaction(reaction) => Self::Reaction(messages::Reaction { target: reaction.target.0, emoji: reaction.emoji }),
            Content::Edit(edit) => Self::Edit(messages::Edit { target: edit.target.0, text: edit.text.into() }),
            Content::Delete(delete) => Self::Delete(messages::Delete { target: delete.target.0, for_everyone: delete.for_everyone }),
            Content::Other(other) => Self::Other(messages::OtherContent { kind: other.kind, json: other.json }),
        }
    }
}

impl From<messages::Content> for Content {
    fn from(content: messages::Content) -> Self {
        match content {
            messages::Content::Text(text) => Self::Text(text.into()),
            messages::Content::Media(media) => Self::Media(Media {
                kind: media.kind.into(),
                mime_type: media.mime_type,
                size_bytes: media.size_bytes,
                sha256: media.sha256,
                file_name: media.file_name,
                caption: media.caption,
            }),
            messages::Content::Location(place) => Self::Location(Location { latitude: place.latitude, longitude: place.longitude, name: place.name }),
            messages::Content::Contact(card) => Self::Contact(Contact { display_name: card.display_name, vcard: card.vcard }),
            messages::Content::Poll(messages::Poll { question, options, selectable }) => Self::Poll(Poll { question, options, selectable }),
            messages::Content::Reaction(reaction) => Self::Reaction(Reaction { target: MessageId(reaction.target), emoji: reaction.emoji }),
            messages::Content::Edit(edit) => Self::Edit(Edit { target: MessageId(edit.target), text: edit.text.into() }),
            messages::Content::Delete(delete) => Self::Delete(Delete { target: MessageId(delete.target), for_everyone: delete.for_everyone }),
            messages::Content::Other(other) => Self::Other(OtherContent { kind: other.kind, json: other.json }),
        }
    }
}

impl From<&OutboundMessage> for messages::OutboundMessage {
    fn from(message: &OutboundMessage) -> Self {
        Self {
            to: (&message.to).into(),
            content: (&message.content).into(),
            reply_to: message.reply_to.as_ref().map(|id| id.0.clone()),
            send_at: message.send_at.map(time),
            metadata: message.metadata.clone(),
        }
    }
}

impl From<messages::OutboundMessage> for OutboundMessage {
    fn from(message: messages::OutboundMessage) -> Self {
        Self {
            to: message.to.into(),
            content: message.content.into(),
            reply_to: message.reply_to.map(MessageId),
            send_at: message.send_at.and_then(|at| i64::try_from(at).ok()).map(Timestamp),
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
        }
    }
}

/// Removes what a person wrote, unless the plugin is granted `bodies`.
pub(super) fn conceal(content: &mut Content, bodies: bool) {
    if bodies {
        return;
    }
    match content {
        Content::Text(text) => text.body.clear(),
        Content::Media(media) => media.caption = None,
        Content::Location(place) => *place = Location { latitude: 0.0, longitude: 0.0, name: None },
        Content::Contact(card) => *card = Contact { display_name: String::new(), vcard: String::new() },
        Content::Poll(poll) => *poll = Poll { question: String::new(), options: vec![], selectable: poll.selectable },
        Content::Reaction(reaction) => reaction.emoji.clear(),
        Content::Edit(edit) => edit.text.body.clear(),
        Content::Delete(_) => {}
        Content::Other(other) => other.json = "{}".into(),
    }
}

/// An error that a plugin returned: whether a later call may succeed, and its description.
pub(super) fn failure(error: calls::Error) -> (bool, PluginText) {
    let (transient, reason) = match error {
        calls::Error::InvalidInput(reason) => (false, format!("invalid input: {reason}")),
        calls::Error::Unavailable(reason) => (true, reason),
        calls::Error::NotGranted(reason) => (false, format!("not granted: {reason}")),
        calls::Error::Internal(reason) => (false, reason),
    };
    (transient, reason.as_str().into())
}

/// What a plugin finds wrong with its configuration, in one line.
pub(super) fn issues(issues: &[ConfigIssue]) -> String {
    issues.iter().map(|issue| format!("config at {}: {}", issue.path, issue.message)).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Content> {
        let target = || MessageId("3EB0".into());
        let text = Text { body: "secret".into(), mentions: vec!["77@lid".into()], preview_links: true };
        let media = Media {
            kind: MediaKind::Image,
            mime_type: "image/png".into(),
            size_bytes: 1,
            sha256: vec![2],
            file_name: None,
            caption: Some("secret".into()),
        };
        vec![
            Content::Text(text.clone()),
            Content::Media(media),
            Content::Location(Location { latitude: 52.5, longitude: 13.4, name: Some("secret".into()) }),
            Content::Contact(Contact { display_name: "secret".into(), vcard: "secret".into() }),
            Content::Poll(Poll { question: "secret".into(), options: vec!["secret".into()], selectable: 1 }),
            Content::Reaction(Reaction { target: target(), emoji: "secret".into() }),
            Content::Edit(Edit { target: target(), text }),
            Content::Delete(Delete { target: target(), for_everyone: true }),
            Content::Other(OtherContent { kind: "multi_vcard".into(), json: "{\"secret\":1}".into() }),
        ]
    }

    #[test]
    fn every_kind_comes_back_from_a_plugin_as_it_went() {
        for content in all() {
            assert_eq!(Content::from(messages::Content::from(&content)), content);
        }
    }

    #[test]
    fn nothing_that_a_person_wrote_is_left_without_the_grant() {
        for mut content in all() {
            let before = content.clone();
            conceal(&mut content, true);
            assert_eq!(content, before);
            conceal(&mut content, false);
            let left = format!("{content:?}");
            assert!(!left.contains("secret") && !left.contains("52.5"), "{left}");
            assert_eq!(content.kind(), before.kind());
        }
    }
}
