//! Between the gateway's model and the generated types.

use super::{
    bindings::{
        exports::wharf::plugin::{event_notification as notification, message_templating as templating},
        wharf::plugin::{calls, messages},
    },
    ports::RenderRequest,
    said::Said,
};
use crate::model::{
    AckLevel, Address, Contact, Content, Delete, Edit, Envelope, Event, InboundMessage, Location, Media, MediaKind, MessageId, OtherContent,
    OutboundMessage, Poll, Reaction, SessionState, Text, Timestamp, told,
};

fn time(at: Timestamp) -> u64 {
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

/// Pairs of the same name on both sides.
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
same!(AckLevel, notification::AckLevel, Server, Device, Read, Played);
same!(
    SessionState,
    notification::SessionState,
    Disconnected,
    Loading,
    QrReady,
    Authenticated,
    Ready,
    Reconnecting,
    AuthFailure,
    Error,
    MaxReconnectExceeded
);

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

pub(super) fn envelope(envelope: &Envelope, metadata: &[(String, String)], bodies: bool) -> notification::Envelope {
    let outbound = |message: &OutboundMessage| {
        let mut message = message.clone();
        conceal(&mut message.content, bodies);
        messages::OutboundMessage::from(&message)
    };
    let event = match &envelope.event {
        Event::SessionState { before, after, reason } => notification::Event::SessionState(notification::SessionChange {
            before: (*before).into(),
            after: (*after).into(),
            reason: reason.clone(),
        }),
        Event::Qr { code, expires_at, .. } => notification::Event::Qr(notification::QrCode { code: code.clone(), expires_at: time(*expires_at) }),
        Event::PairingCode { code, expires_at, attempt } => notification::Event::Other(notification::OtherEvent {
            kind: envelope.event.kind().to_owned(),
            json: serde_json::to_string(&told::PairingCode { code: code.clone(), expires_at: expires_at.rfc3339(), attempt: *attempt })
                .unwrap_or_default(),
        }),
        Event::MessageSent { id, message } => notification::Event::MessageSent(notification::Sent { id: id.0.clone(), message: outbound(message) }),
        Event::MessageFailed { id, code, reason, message } => notification::Event::MessageFailed(notification::Failure {
            id: Some(id.0.clone()),
            code: code.clone(),
            reason: reason.clone(),
            message: outbound(message),
        }),
        Event::MessageAck { id, chat, level } => {
            notification::Event::MessageAck(notification::Ack { id: id.0.clone(), chat: chat.into(), level: (*level).into() })
        }
        Event::MessageReceived(message) => {
            let mut message = message.clone();
            conceal(&mut message.content, bodies);
            notification::Event::MessageReceived((&message).into())
        }
        Event::Other { kind, json } => notification::Event::Other(notification::OtherEvent { kind: kind.clone(), json: json.clone() }),
    };
    let account = envelope.account.as_ref();
    notification::Envelope {
        id: envelope.id.0.clone(),
        at: time(envelope.at),
        kind: envelope.event.kind().to_owned(),
        account: account.map(|me| notification::Account { pn: me.pn.clone(), lid: me.lid.clone(), push_name: me.push_name.clone() }),
        metadata: metadata.to_vec(),
        gateway: env!("CARGO_PKG_VERSION").to_owned(),
        replayed: envelope.replayed,
        event,
    }
}

/// Without the grant a message arrives without its words.
fn conceal(content: &mut Content, bodies: bool) {
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

impl From<&RenderRequest> for templating::RenderRequest {
    fn from(request: &RenderRequest) -> Self {
        let variables = request.variables.iter().map(|(name, value)| (name.clone(), variable(value))).collect();
        Self { template: request.template.clone(), locale: request.locale.clone(), variables }
    }
}

fn variable(value: &serde_json::Value) -> templating::Value {
    match value {
        serde_json::Value::String(text) => templating::Value::Text(text.clone()),
        serde_json::Value::Bool(truth) => templating::Value::Boolean(*truth),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(integer), _) => templating::Value::Integer(integer),
            (None, Some(float)) => templating::Value::Number(float),
            (None, None) => templating::Value::Json(number.to_string()),
        },
        nested => templating::Value::Json(nested.to_string()),
    }
}

/// A failure in the plugin's own words.
pub(super) fn failure(error: calls::Error) -> (bool, Said) {
    let (transient, words) = match error {
        calls::Error::InvalidInput(words) => (false, format!("invalid input: {words}")),
        calls::Error::Unavailable(words) => (true, words),
        calls::Error::NotGranted(words) => (false, format!("not granted: {words}")),
        calls::Error::Internal(words) => (false, words),
    };
    (transient, words.as_str().into())
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
