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
    OutboundMessage, Poll, Reaction, SessionState, Text, Timestamp,
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
                    $(Content::$Variant(content) => Self::$Variant(content.into()),)+
                }
            }
        }

        impl From<messages::Content> for Content {
            fn from(content: messages::Content) -> Self {
                match content {
                    $(messages::Content::$Variant(content) => Self::$Variant(content.into()),)+
                }
            }
        }
    };
}
contents! {
    Text(Text) { body, mentions, preview_links }
    Media(Media) { kind, mime_type, size_bytes, sha256, file_name, caption }
    Location(Location) { latitude, longitude, name }
    Contact(Contact) { display_name, vcard }
    Poll(Poll) { question, options, selectable }
    Reaction(Reaction) { target, emoji }
    Edit(Edit) { target, text }
    Delete(Delete) { target, for_everyone }
    Other(OtherContent) { kind, json }
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
    // Without the grant a message arrives without its words.
    let outbound = |message: &OutboundMessage| {
        let mut message = message.clone();
        if !bodies {
            message.content.conceal();
        }
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
            json: serde_json::json!({"code": code, "expiresAt": expires_at.rfc3339(), "attempt": attempt}).to_string(),
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
            if !bodies {
                message.content.conceal();
            }
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
    use crate::model::content::tests::every_kind;

    #[test]
    fn every_kind_comes_back_from_a_plugin_as_it_went() {
        for content in every_kind() {
            assert_eq!(Content::from(messages::Content::from(&content)), content);
        }
    }
}
