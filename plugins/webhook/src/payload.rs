//! What an event says, in the words of WAHA.
//!
//! Clients of WAHA read fields without looking whether they are there, so those of a message are always
//! all present: empty text rather than absent.

use serde_json::{Value, json};
use wharf_plugin::{
    Account, Ack, AckLevel, Address, Content, Envelope, Event, Failure, InboundMessage, OutboundMessage, Sent, SessionChange, SessionState,
};

/// The `payload` of the body.
pub(crate) fn of(envelope: &Envelope, session: &str) -> Value {
    let me = me_id(envelope.account.as_ref());
    match &envelope.event {
        Event::SessionState(change) => session_status(change, session, envelope.at),
        Event::Qr(qr) => json!({"qr": qr.code, "expiresAt": qr.expires_at}),
        Event::MessageSent(sent) => sent_message(sent, me, envelope.at),
        Event::MessageFailed(failure) => failed_message(failure, me, envelope.at),
        Event::MessageAck(ack) => acknowledgement(ack, me),
        Event::MessageReceived(message) => received_message(message, me),
        // An event the gateway itself does not model passes through as it is.
        Event::Other(other) => serde_json::from_str(&other.json).unwrap_or_else(|_| json!({"text": other.json})),
    }
}

/// The account of the session.
pub(crate) fn me(account: Option<&Account>) -> Option<Value> {
    let account = account?;
    Some(json!({"id": me_id(Some(account)), "lid": account.lid, "pushName": account.push_name.as_deref().unwrap_or_default()}))
}

/// The gateway, in the place where WAHA describes itself.
pub(crate) fn environment(gateway: &str) -> Value {
    json!({"version": gateway, "engine": crate::ENGINE, "tier": "CORE", "browser": "", "platform": "wharf", "worker": {"id": null}})
}

fn me_id(account: Option<&Account>) -> &str {
    account.and_then(|account| account.pn.as_deref().or(account.lid.as_deref())).unwrap_or_default()
}

fn session_status(change: &SessionChange, session: &str, at: u64) -> Value {
    let status = status(change.after);
    json!({
        "name": session,
        "status": status,
        "statuses": [{"status": status, "timestamp": at}],
        "data": null,
        "state": change.after.as_str(),
        "previousState": change.before.as_str(),
        "reason": change.reason,
    })
}

fn status(state: SessionState) -> &'static str {
    match state {
        SessionState::Disconnected => "STOPPED",
        SessionState::Loading | SessionState::Reconnecting | SessionState::Authenticated => "STARTING",
        SessionState::QrReady => "SCAN_QR_CODE",
        SessionState::Ready => "WORKING",
        SessionState::AuthFailure | SessionState::Error | SessionState::MaxReconnectExceeded => "FAILED",
    }
}

fn ack(level: AckLevel) -> (i8, &'static str) {
    match level {
        AckLevel::Server => (1, "SERVER"),
        AckLevel::Device => (2, "DEVICE"),
        AckLevel::Read => (3, "READ"),
        AckLevel::Played => (4, "PLAYED"),
    }
}

fn received_message(message: &InboundMessage, me: &str) -> Value {
    let chat = &message.chat.chat;
    let group = chat.ends_with("@g.us");
    let participant = if group { message.sender.chat.as_str() } else { "" };
    let (from, to) = if message.from_me { (me, chat.as_str()) } else { (chat.as_str(), me) };
    let mut payload = content(&message.content);
    merge(
        &mut payload,
        json!({
            "id": key(message.from_me, chat, &message.id, participant),
            "timestamp": message.sent_at / 1000,
            "from": from,
            "fromMe": message.from_me,
            "source": "app",
            "to": to,
            "participant": participant,
            "author": if group { Some(participant) } else { None },
            "ack": 1,
            "ackName": "SERVER",
            "replyTo": reply_to(message.reply_to.as_deref()),
        }),
    );
    merge_data(&mut payload, json!({"notifyName": message.push_name, "chat": address(&message.chat), "sender": address(&message.sender)}));
    payload
}

fn sent_message(sent: &Sent, me: &str, at: u64) -> Value {
    let mut payload = outbound(&sent.message, Some(&sent.id), me, at);
    merge(&mut payload, json!({"ack": 1, "ackName": "SERVER"}));
    payload
}

fn failed_message(failure: &Failure, me: &str, at: u64) -> Value {
    let mut payload = outbound(&failure.message, failure.id.as_deref(), me, at);
    merge(&mut payload, json!({"ack": -1, "ackName": "ERROR", "error": {"code": failure.code, "reason": failure.reason}}));
    payload
}

fn outbound(message: &OutboundMessage, id: Option<&str>, me: &str, at: u64) -> Value {
    let chat = &message.to.chat;
    let mut payload = content(&message.content);
    merge(
        &mut payload,
        json!({
            "id": id.map(|id| key(true, chat, id, "")),
            "timestamp": at / 1000,
            "from": me,
            "fromMe": true,
            "source": "api",
            "to": chat,
            "participant": "",
            "author": null,
            "replyTo": reply_to(message.reply_to.as_deref()),
        }),
    );
    let metadata: serde_json::Map<_, _> = message.metadata.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))).collect();
    merge_data(&mut payload, json!({"chat": address(&message.to), "metadata": metadata}));
    payload
}

fn acknowledgement(event: &Ack, me: &str) -> Value {
    let (number, name) = ack(event.level);
    let chat = &event.chat.chat;
    json!({
        "id": key(true, chat, &event.id, ""),
        "from": me,
        "to": chat,
        "participant": "",
        "fromMe": true,
        "ack": number,
        "ackName": name,
        "_data": {"chat": address(&event.chat)},
    })
}

/// The serialized key of a message; in a group it names who wrote it, unless that is this account.
fn key(from_me: bool, chat: &str, id: &str, participant: &str) -> String {
    if from_me || participant.is_empty() { format!("{from_me}_{chat}_{id}") } else { format!("{from_me}_{chat}_{id}_{participant}") }
}

fn address(address: &Address) -> Value {
    json!({"id": address.chat, "pn": address.pn, "lid": address.lid})
}

fn reply_to(id: Option<&str>) -> Option<Value> {
    Some(json!({"id": id?, "participant": null, "body": null, "hasMedia": false}))
}

/// The fields of a message that depend on what it is.
fn content(content: &Content) -> Value {
    let mut payload = json!({"body": content.body().unwrap_or_default(), "hasMedia": false, "media": null, "mediaUrl": "", "location": null, "vCards": [], "_data": {}});
    match content {
        Content::Text(text) => merge_data(&mut payload, json!({"type": "chat", "mentions": text.mentions})),
        Content::Media(media) => {
            merge(
                &mut payload,
                json!({
                    "hasMedia": true,
                    "media": {"url": null, "mimetype": media.mime_type, "filename": media.file_name, "s3": null, "error": null},
                }),
            );
            merge_data(&mut payload, json!({"type": kind(media.kind), "size": media.size_bytes, "sha256": hex::encode(&media.sha256)}));
        }
        Content::Location(place) => {
            let (latitude, longitude) = (place.latitude.to_string(), place.longitude.to_string());
            merge(&mut payload, json!({"location": {"latitude": latitude, "longitude": longitude, "live": false, "name": place.name}}));
            merge_data(&mut payload, json!({"type": "location"}));
        }
        Content::Contact(card) => {
            merge(&mut payload, json!({"vCards": [card.vcard]}));
            merge_data(&mut payload, json!({"type": "vcard", "vcardFormattedName": card.display_name}));
        }
        Content::Poll(poll) => {
            merge(&mut payload, json!({"poll": {"name": poll.question, "options": poll.options, "multipleAnswers": poll.selectable != 1}}));
            merge_data(&mut payload, json!({"type": "poll_creation", "pollSelectableOptionsCount": poll.selectable}));
        }
        Content::Reaction(reaction) => {
            merge(&mut payload, json!({"reaction": {"text": reaction.emoji, "messageId": reaction.target}}));
            merge_data(&mut payload, json!({"type": "reaction"}));
        }
        Content::Edit(edit) => {
            merge(&mut payload, json!({"editedMessageId": edit.target}));
            merge_data(&mut payload, json!({"type": "edited", "mentions": edit.text.mentions}));
        }
        Content::Delete(delete) => {
            merge(&mut payload, json!({"revokedMessageId": delete.target}));
            merge_data(&mut payload, json!({"type": "revoked", "forEveryone": delete.for_everyone}));
        }
        Content::Other(other) => {
            let json = serde_json::from_str(&other.json).unwrap_or_else(|_| Value::from(other.json.as_str()));
            merge_data(&mut payload, json!({"type": other.kind, "content": json}));
        }
    }
    payload
}

/// WhatsApp Web's names.
fn kind(kind: wharf_plugin::MediaKind) -> &'static str {
    use wharf_plugin::MediaKind;
    match kind {
        MediaKind::Image => "image",
        MediaKind::Video => "video",
        MediaKind::Audio => "audio",
        MediaKind::Voice => "ptt",
        MediaKind::Document => "document",
        MediaKind::Sticker => "sticker",
    }
}

fn merge(into: &mut Value, from: Value) {
    if let (Value::Object(into), Value::Object(from)) = (into, from) {
        into.extend(from);
    }
}

/// `_data` is where WAHA puts what its engine knows beyond the common fields.
fn merge_data(payload: &mut Value, from: Value) {
    if let Some(data) = payload.get_mut("_data") {
        merge(data, from);
    }
}
