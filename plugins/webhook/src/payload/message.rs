//! A message, received, sent or failed: the same fields of each, so that a client reads one shape.

mod content;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use wharf_plugin::{Failure, InboundMessage, OutboundMessage, Sent};

use self::content::{Media, Place, Poll, Reaction};
use super::{
    ack::AckName,
    address::{Address, address, key},
};

/// A message, received or sent.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(
    test,
    derive(schemars::JsonSchema),
    schemars(rename = "WebhookMessage")
)]
pub(crate) struct Message<'a> {
    /// The key: `<fromMe>_<chat>_<id>`, and in a group behind it who wrote the message. Null for a
    /// message that never had an id.
    id: Option<String>,
    /// When it was sent, in seconds since the Unix epoch; of `message.failed` when it failed.
    timestamp: u64,
    /// The chat it came from, or the account's own id.
    from: &'a str,
    /// Whether the account itself wrote it.
    from_me: bool,
    /// `api` for a message of the gateway, otherwise `app`.
    source: &'static str,
    /// The chat it goes to, or the account's own id.
    to: &'a str,
    /// Who wrote it, in a group; otherwise empty.
    participant: &'a str,
    /// Who wrote it, in a group.
    author: Option<&'a str>,
    /// The text, the caption or the question; empty where the kind has none, or the target may not
    /// read it.
    body: &'a str,
    /// Whether it has a file.
    has_media: bool,
    /// The file; its bytes are not told.
    media: Option<Media<'a>>,
    /// Always empty.
    media_url: &'static str,
    /// The place, of a location.
    location: Option<Place<'a>>,
    /// The card, of a contact.
    v_cards: Vec<&'a str>,
    /// How far it has come: -1 failed, 1 WhatsApp's server, 2 a device of the recipient, 3 read, 4
    /// played.
    #[cfg_attr(test, schemars(range(min = -1, max = 4)))]
    ack: i8,
    /// The same as a word.
    ack_name: AckName,
    /// The message it answers.
    reply_to: Option<ReplyTo<'a>>,
    /// The question, of a poll.
    #[serde(skip_serializing_if = "Option::is_none")]
    poll: Option<Poll<'a>>,
    /// The emoji, of a reaction.
    #[serde(skip_serializing_if = "Option::is_none")]
    reaction: Option<Reaction<'a>>,
    /// The id of the message whose text is changed, of an edit.
    #[serde(skip_serializing_if = "Option::is_none")]
    edited_message_id: Option<&'a str>,
    /// The id of the message that is taken back, of a deletion.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_message_id: Option<&'a str>,
    /// Why it did not leave, of a failed message.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Reason<'a>>,
    /// What the gateway knows beyond the common fields.
    #[serde(rename = "_data")]
    data: Data<'a>,
}

/// The message that is answered.
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

/// Why a message did not leave.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "WebhookReason"))]
struct Reason<'a> {
    /// The gateway's error code, as in the API.
    code: &'a str,
    /// For people.
    reason: &'a str,
}

/// What the gateway knows of a message beyond the common fields.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "WebhookData"))]
struct Data<'a> {
    /// WhatsApp Web's name of the kind: `chat` is a text.
    #[serde(rename = "type")]
    kind: &'a str,
    /// The chat, in all forms that are known.
    chat: Address<'a>,
    /// Who wrote it, of a received message.
    #[serde(skip_serializing_if = "Option::is_none")]
    sender: Option<Address<'a>>,
    /// The name its author gives themselves, of a received message.
    #[serde(skip_serializing_if = "Option::is_none")]
    notify_name: Option<Option<&'a str>>,
    /// The pairs of the call, of a sent message.
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<BTreeMap<&'a str, &'a str>>,
    /// The ids that a text mentions.
    #[serde(skip_serializing_if = "Option::is_none")]
    mentions: Option<&'a [String]>,
    /// Bytes of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    /// SHA-256 of the file in hexadecimal; empty when not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    /// The name shown of a contact.
    #[serde(skip_serializing_if = "Option::is_none", rename = "vcardFormattedName")]
    vcard_formatted_name: Option<&'a str>,
    /// How many options of a poll one person may choose; 0: any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    poll_selectable_options_count: Option<u32>,
    /// Whether a message is taken back for everyone in the chat.
    #[serde(skip_serializing_if = "Option::is_none")]
    for_everyone: Option<bool>,
    /// What WhatsApp says of a kind that the gateway does not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Value>,
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
    let common = content::of(&message.content);
    let data = Data {
        notify_name: Some(message.push_name.as_deref()),
        chat: address(&message.chat),
        sender: Some(address(&message.sender)),
        ..common.data
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
        data,
        ..common
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
    let common = content::of(&message.content);
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
        data: Data {
            chat: address(&message.to),
            metadata: Some(metadata),
            ..common.data
        },
        ..common
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
