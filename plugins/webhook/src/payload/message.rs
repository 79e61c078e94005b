//! A message: received, sent or failed. All have the same fields, so that clients need to read only
//! one format.

mod content;

use std::collections::BTreeMap;

use serde::Serialize;
use wharf_plugin::{Failure, InboundMessage, OutboundMessage, Sent};

use self::content::{DataOfKind, OfKind};
use super::{
    ack::AckName,
    address::{Address, address, key},
};

/// A message: received, sent or failed.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(
    test,
    derive(schemars::JsonSchema),
    schemars(rename = "WebhookMessage")
)]
pub(crate) struct Message<'a> {
    /// The key of the message: `<fromMe>_<chat>_<id>`, followed in a group by `_` and the author if
    /// that is not the account itself. Null for a message that never had an id.
    id: Option<String>,
    /// When it was sent, in seconds since the Unix epoch; for `message.failed` when it failed.
    timestamp: u64,
    /// The chat of a received message; the account's own id for its own messages.
    from: &'a str,
    /// Whether it is the account's own message.
    from_me: bool,
    /// `api` for a message sent by the gateway, otherwise `app`.
    source: &'static str,
    /// The chat of the account's own message; the account's own id for a received message.
    to: &'a str,
    /// The author, in a group; empty in other chats and for messages sent by the gateway.
    participant: &'a str,
    /// The author, in a group; null in other chats and for messages sent by the gateway.
    author: Option<&'a str>,
    /// The level of acknowledgement: -1 failed, 1 WhatsApp's server, 2 a device of the recipient, 3
    /// read, 4 played.
    #[cfg_attr(test, schemars(range(min = -1, max = 4)))]
    ack: i8,
    /// The name of the level.
    ack_name: AckName,
    /// The message that it replies to.
    reply_to: Option<ReplyTo<'a>>,
    /// Why it was not sent; only for a failed message.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Reason<'a>>,
    /// The fields of its kind.
    #[serde(flatten)]
    of_kind: OfKind<'a>,
    /// Further data of the gateway.
    #[serde(rename = "_data")]
    data: Data<'a>,
}

/// The message that is replied to.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(
    test,
    derive(schemars::JsonSchema),
    schemars(rename = "WebhookReplyTo")
)]
struct ReplyTo<'a> {
    /// Its bare id.
    id: &'a str,
    /// Always null.
    participant: Option<&'a str>,
    /// Always null.
    body: Option<&'a str>,
    /// Always false.
    has_media: bool,
}

/// Why a message was not sent.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "WebhookReason"))]
struct Reason<'a> {
    /// The gateway's error code, as in the API.
    code: &'a str,
    /// The reason, for people.
    reason: &'a str,
}

/// Further data of the gateway about a message.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "WebhookData"))]
struct Data<'a> {
    /// The fields of its kind.
    #[serde(flatten)]
    of_kind: DataOfKind<'a>,
    /// The chat, in all known forms.
    chat: Address<'a>,
    /// The author; only for a received message.
    #[serde(skip_serializing_if = "Option::is_none")]
    sender: Option<Address<'a>>,
    /// The name that the author gives themselves; only for a received message.
    #[serde(skip_serializing_if = "Option::is_none")]
    notify_name: Option<Option<&'a str>>,
    /// The pairs of the API call; only for a message of the gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<BTreeMap<&'a str, &'a str>>,
}

pub(super) fn received_message<'a>(message: &'a InboundMessage, me: &'a str) -> Message<'a> {
    let chat = &message.chat.chat;
    let group = chat.ends_with("@g.us");
    let participant = if group {
        message.sender.chat.as_str()
    } else {
        ""
    };
    let (from, to) = if message.from_me {
        (me, chat.as_str())
    } else {
        (chat.as_str(), me)
    };
    let (of_kind, data) = content::of(&message.content);
    let data = Data {
        of_kind: data,
        notify_name: Some(message.push_name.as_deref()),
        chat: address(&message.chat),
        sender: Some(address(&message.sender)),
        ..Data::default()
    };
    Message {
        id: Some(key(message.from_me, chat, &message.id, participant)),
        timestamp: message.sent_at / 1000,
        from,
        from_me: message.from_me,
        source: "app",
        to,
        participant,
        author: group.then_some(participant),
        ack: 1,
        ack_name: AckName::Server,
        reply_to: reply_to(message.reply_to.as_deref()),
        of_kind,
        data,
        ..Message::default()
    }
}

pub(super) fn sent_message<'a>(sent: &'a Sent, me: &'a str, at: u64) -> Message<'a> {
    Message {
        ack: 1,
        ack_name: AckName::Server,
        ..outbound(&sent.message, Some(&sent.id), me, at)
    }
}

pub(super) fn failed_message<'a>(failure: &'a Failure, me: &'a str, at: u64) -> Message<'a> {
    let error = Some(Reason {
        code: &failure.code,
        reason: &failure.reason,
    });
    Message {
        ack: -1,
        ack_name: AckName::Error,
        error,
        ..outbound(&failure.message, failure.id.as_deref(), me, at)
    }
}

fn outbound<'a>(
    message: &'a OutboundMessage,
    id: Option<&str>,
    me: &'a str,
    at: u64,
) -> Message<'a> {
    let chat = &message.to.chat;
    let (of_kind, data) = content::of(&message.content);
    let metadata = message
        .metadata
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    Message {
        id: id.map(|id| key(true, chat, id, "")),
        timestamp: at / 1000,
        from: me,
        from_me: true,
        source: "api",
        to: chat,
        reply_to: reply_to(message.reply_to.as_deref()),
        of_kind,
        data: Data {
            of_kind: data,
            chat: address(&message.to),
            metadata: Some(metadata),
            ..Data::default()
        },
        ..Message::default()
    }
}

fn reply_to(id: Option<&str>) -> Option<ReplyTo<'_>> {
    Some(ReplyTo {
        id: id?,
        participant: None,
        body: None,
        has_media: false,
    })
}
