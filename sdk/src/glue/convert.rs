//! Conversions between the generated types and the plain ones that authors see: calls and messages. Those of an extension
//! point are in its own file.

use super::core::wharf::plugin::{calls, messages as wit};
use crate::{
    Address, CallContext, Contact, Content, Delete, Edit, Error, InboundMessage, Location, Media, MediaKind, OtherContent, OutboundMessage, Poll,
    Reaction, Text,
};

impl From<calls::CallContext> for CallContext {
    fn from(ctx: calls::CallContext) -> Self {
        let calls::CallContext { session, call_id, subject_id, traceparent, now, attempt, budget_ms } = ctx;
        Self { session, call_id, subject_id, traceparent, now, attempt, budget_ms }
    }
}

impl From<Error> for calls::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::InvalidInput(why) => Self::InvalidInput(why),
            Error::Unavailable(why) => Self::Unavailable(why),
            Error::NotGranted(why) => Self::NotGranted(why),
            Error::Internal(why) => Self::Internal(why),
        }
    }
}

impl From<wit::Address> for Address {
    fn from(wit::Address { chat, pn, lid }: wit::Address) -> Self {
        Self { chat, pn, lid }
    }
}

impl From<Address> for wit::Address {
    fn from(Address { chat, pn, lid }: Address) -> Self {
        Self { chat, pn, lid }
    }
}

impl From<wit::MediaKind> for MediaKind {
    fn from(kind: wit::MediaKind) -> Self {
        match kind {
            wit::MediaKind::Image => Self::Image,
            wit::MediaKind::Video => Self::Video,
            wit::MediaKind::Audio => Self::Audio,
            wit::MediaKind::Voice => Self::Voice,
            wit::MediaKind::Document => Self::Document,
            wit::MediaKind::Sticker => Self::Sticker,
        }
    }
}

impl From<MediaKind> for wit::MediaKind {
    fn from(kind: MediaKind) -> Self {
        match kind {
            MediaKind::Image => Self::Image,
            MediaKind::Video => Self::Video,
            MediaKind::Audio => Self::Audio,
            MediaKind::Voice => Self::Voice,
            MediaKind::Document => Self::Document,
            MediaKind::Sticker => Self::Sticker,
        }
    }
}

impl From<wit::Text> for Text {
    fn from(wit::Text { body, mentions, preview_links }: wit::Text) -> Self {
        Self { body, mentions, preview_links }
    }
}

impl From<Text> for wit::Text {
    fn from(Text { body, mentions, preview_links }: Text) -> Self {
        Self { body, mentions, preview_links }
    }
}

impl From<wit::Content> for Content {
    fn from(content: wit::Content) -> Self {
        match content {
            wit::Content::Text(text) => Self::Text(text.into()),
            wit::Content::Media(wit::Media { kind, mime_type, size_bytes, sha256, file_name, caption }) => {
                Self::Media(Media { kind: kind.into(), mime_type, size_bytes, sha256, file_name, caption })
            }
            wit::Content::Location(wit::Location { latitude, longitude, name }) => Self::Location(Location { latitude, longitude, name }),
            wit::Content::Contact(wit::Contact { display_name, vcard }) => Self::Contact(Contact { display_name, vcard }),
            wit::Content::Poll(wit::Poll { question, options, selectable }) => Self::Poll(Poll { question, options, selectable }),
            wit::Content::Reaction(wit::Reaction { target, emoji }) => Self::Reaction(Reaction { target, emoji }),
            wit::Content::Edit(wit::Edit { target, text }) => Self::Edit(Edit { target, text: text.into() }),
            wit::Content::Delete(wit::Delete { target, for_everyone }) => Self::Delete(Delete { target, for_everyone }),
            wit::Content::Other(wit::OtherContent { kind, json }) => Self::Other(OtherContent { kind, json }),
        }
    }
}

impl From<Content> for wit::Content {
    fn from(content: Content) -> Self {
        match content {
            Content::Text(text) => Self::Text(text.into()),
            Content::Media(Media { kind, mime_type, size_bytes, sha256, file_name, caption }) => {
                Self::Media(wit::Media { kind: kind.into(), mime_type, size_bytes, sha256, file_name, caption })
            }
            Content::Location(Location { latitude, longitude, name }) => Self::Location(wit::Location { latitude, longitude, name }),
            Content::Contact(Contact { display_name, vcard }) => Self::Contact(wit::Contact { display_name, vcard }),
            Content::Poll(Poll { question, options, selectable }) => Self::Poll(wit::Poll { question, options, selectable }),
            Content::Reaction(Reaction { target, emoji }) => Self::Reaction(wit::Reaction { target, emoji }),
            Content::Edit(Edit { target, text }) => Self::Edit(wit::Edit { target, text: text.into() }),
            Content::Delete(Delete { target, for_everyone }) => Self::Delete(wit::Delete { target, for_everyone }),
            Content::Other(OtherContent { kind, json }) => Self::Other(wit::OtherContent { kind, json }),
        }
    }
}

impl From<wit::OutboundMessage> for OutboundMessage {
    fn from(message: wit::OutboundMessage) -> Self {
        let wit::OutboundMessage { to, content, reply_to, send_at, metadata } = message;
        Self { to: to.into(), content: content.into(), reply_to, send_at, metadata }
    }
}

impl From<OutboundMessage> for wit::OutboundMessage {
    fn from(message: OutboundMessage) -> Self {
        let OutboundMessage { to, content, reply_to, send_at, metadata } = message;
        Self { to: to.into(), content: content.into(), reply_to, send_at, metadata }
    }
}

impl From<wit::InboundMessage> for InboundMessage {
    fn from(message: wit::InboundMessage) -> Self {
        let wit::InboundMessage { id, chat, sender, from_me, push_name, sent_at, content, reply_to } = message;
        Self { id, chat: chat.into(), sender: sender.into(), from_me, push_name, sent_at, content: content.into(), reply_to }
    }
}
