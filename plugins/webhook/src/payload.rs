//! What an event says, in the words of WAHA.
//!
//! Clients of WAHA read fields without looking whether they are there, so those of a message are always
//! all present: empty text rather than absent. The types here are also where the gateway's OpenAPI document has the bodies
//! of webhooks from: a test makes `events.schema.json` of them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};
use wharf_plugin::{AckLevel, Content, Envelope, Event, Failure, InboundMessage, OutboundMessage, Sent, SessionChange, SessionState};

/// The account of the session.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "WebhookAccount"))]
pub(crate) struct Account {
    /// The number with `@c.us` where it is known, otherwise the opaque id with `@lid`; empty when neither is.
    id: String,
    /// The opaque id, `…@lid`, when known.
    lid: Option<String>,
    /// The name that the account gives itself; empty when not known.
    push_name: String,
}

/// The gateway, in the place where WAHA describes itself.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "WebhookEnvironment"))]
pub(crate) struct Environment<'a> {
    /// The version of the gateway.
    version: &'a str,
    /// As `engine` of the event.
    engine: &'a str,
    /// Always `CORE`.
    tier: &'a str,
    /// Always empty.
    browser: &'a str,
    /// Always `wharf`.
    platform: &'a str,
    /// WAHA names a worker of a cluster here.
    worker: Worker,
}

/// A worker of a cluster; there is none.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "WebhookWorker"))]
struct Worker {
    /// Always null.
    id: Option<String>,
}

/// A session moved from one state to another.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "WebhookSessionStatus"))]
pub(crate) struct SessionStatus<'a> {
    /// The session's id.
    name: &'a str,
    /// The state in WAHA's five words.
    status: Status,
    /// The same with its time.
    statuses: [StatusAt; 1],
    /// Always null.
    data: Option<Value>,
    /// The state in the gateway's own words, as in `GET /v1/sessions/{id}`.
    state: &'a str,
    /// The state before, in the gateway's own words.
    previous_state: &'a str,
    /// Why, for people.
    reason: Option<&'a str>,
}

/// WAHA's words for the state of a session.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "WebhookStatus"))]
enum Status {
    Stopped,
    Starting,
    ScanQrCode,
    Working,
    Failed,
}

/// A state with its time.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "WebhookStatusAt"))]
struct StatusAt {
    /// The state.
    status: Status,
    /// Since when, in milliseconds since the Unix epoch.
    timestamp: u64,
}

/// A QR that can be scanned. It links a phone to the session: told only to a target that names `session.qr`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "WebhookQr"))]
pub(crate) struct Qr<'a> {
    /// The text of the QR.
    qr: &'a str,
    /// When it can be scanned no more, in milliseconds since the Unix epoch.
    expires_at: u64,
}

/// A message, received or sent.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "WebhookMessage"))]
pub(crate) struct Message<'a> {
    /// The key: `<fromMe>_<chat>_<id>`, and in a group behind it who wrote the message. Null for a message that never had
    /// an id.
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
    /// The text, the caption or the question; empty where the kind has none, or the target may not read it.
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
    /// How far it has come: -1 failed, 1 WhatsApp's server, 2 a device of the recipient, 3 read, 4 played.
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

/// WAHA's words for how far a message has come.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[serde(rename_all = "UPPERCASE")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "WebhookAckName"))]
enum AckName {
    Error,
    #[default]
    Server,
    Device,
    Read,
    Played,
}

/// A file by reference.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "WebhookMedia"))]
struct Media<'a> {
    /// Always null.
    url: Option<&'a str>,
    /// E.g. `image/png`.
    mimetype: &'a str,
    /// The name shown to the recipient.
    filename: Option<&'a str>,
    /// Always null.
    s3: Option<&'a str>,
    /// Always null.
    error: Option<&'a str>,
}

/// A point on the map.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "WebhookLocation"))]
struct Place<'a> {
    /// Degrees from -90 to 90, as a text.
    latitude: String,
    /// Degrees from -180 to 180, as a text.
    longitude: String,
    /// Always false.
    live: bool,
    /// Shown beside the pin.
    name: Option<&'a str>,
}

/// The message that is answered.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "WebhookReplyTo"))]
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

/// A question with options to choose from.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "WebhookPoll"))]
struct Poll<'a> {
    /// What is asked.
    name: &'a str,
    /// What can be chosen, in order.
    options: &'a [String],
    /// Whether one person may choose several.
    multiple_answers: bool,
}

/// An emoji on a message.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "WebhookReaction"))]
struct Reaction<'a> {
    /// One emoji; empty when the reaction is taken back.
    text: &'a str,
    /// The bare id of the message reacted to.
    message_id: &'a str,
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

/// Who or where, in both forms when both are known.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "WebhookAddress"))]
struct Address<'a> {
    /// The chat.
    id: &'a str,
    /// The number, `…@c.us`, when known.
    pn: Option<&'a str>,
    /// The opaque id, `…@lid`, when known.
    lid: Option<&'a str>,
}

/// A sent message came further.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "WebhookAck"))]
pub(crate) struct Ack<'a> {
    /// The key of the message.
    id: String,
    /// The account's own id.
    from: &'a str,
    /// The chat.
    to: &'a str,
    /// Always empty.
    participant: &'a str,
    /// Always true.
    from_me: bool,
    /// How far: 1 WhatsApp's server, 2 a device of the recipient, 3 read, 4 played.
    #[cfg_attr(test, schemars(range(min = 1, max = 4)))]
    ack: i8,
    /// The same as a word.
    ack_name: AckName,
    /// What the gateway knows beyond the common fields.
    #[serde(rename = "_data")]
    data: AckData<'a>,
}

/// What the gateway knows of an acknowledgement beyond the common fields.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "WebhookAckData"))]
struct AckData<'a> {
    /// The chat, in all forms that are known.
    chat: Address<'a>,
}

/// The `payload` of the body.
///
/// # Errors
/// When it cannot be written as JSON.
pub(crate) fn of(envelope: &Envelope, session: &str) -> serde_json::Result<Value> {
    let me = me_id(envelope.account.as_ref());
    match &envelope.event {
        Event::SessionState(change) => serde_json::to_value(session_status(change, session, envelope.at)),
        Event::Qr(qr) => serde_json::to_value(Qr { qr: &qr.code, expires_at: qr.expires_at }),
        Event::MessageSent(sent) => serde_json::to_value(sent_message(sent, me, envelope.at)),
        Event::MessageFailed(failure) => serde_json::to_value(failed_message(failure, me, envelope.at)),
        Event::MessageAck(ack) => serde_json::to_value(acknowledgement(ack, me)),
        Event::MessageReceived(message) => serde_json::to_value(received_message(message, me)),
        // An event the gateway itself does not model passes through as it is.
        Event::Other(other) => Ok(serde_json::from_str(&other.json).unwrap_or_else(|_| json!({"text": other.json}))),
    }
}

pub(crate) fn me(account: Option<&wharf_plugin::Account>) -> Option<Account> {
    let account = account?;
    let push_name = account.push_name.clone().unwrap_or_default();
    Some(Account { id: me_id(Some(account)).to_owned(), lid: account.lid.clone(), push_name })
}

pub(crate) fn environment(gateway: &str) -> Environment<'_> {
    Environment { version: gateway, engine: crate::ENGINE, tier: "CORE", browser: "", platform: "wharf", worker: Worker { id: None } }
}

fn me_id(account: Option<&wharf_plugin::Account>) -> &str {
    account.and_then(|account| account.pn.as_deref().or(account.lid.as_deref())).unwrap_or_default()
}

fn session_status<'a>(change: &'a SessionChange, session: &'a str, at: u64) -> SessionStatus<'a> {
    let status = status(change.after);
    SessionStatus {
        name: session,
        status,
        statuses: [StatusAt { status, timestamp: at }],
        data: None,
        state: change.after.as_str(),
        previous_state: change.before.as_str(),
        reason: change.reason.as_deref(),
    }
}

fn status(state: SessionState) -> Status {
    match state {
        SessionState::Disconnected => Status::Stopped,
        SessionState::Loading | SessionState::Reconnecting | SessionState::Authenticated => Status::Starting,
        SessionState::QrReady => Status::ScanQrCode,
        SessionState::Ready => Status::Working,
        SessionState::AuthFailure | SessionState::Error | SessionState::MaxReconnectExceeded => Status::Failed,
    }
}

fn ack(level: AckLevel) -> (i8, AckName) {
    match level {
        AckLevel::Server => (1, AckName::Server),
        AckLevel::Device => (2, AckName::Device),
        AckLevel::Read => (3, AckName::Read),
        AckLevel::Played => (4, AckName::Played),
    }
}

fn received_message<'a>(message: &'a InboundMessage, me: &'a str) -> Message<'a> {
    let chat = &message.chat.chat;
    let group = chat.ends_with("@g.us");
    let participant = if group { message.sender.chat.as_str() } else { "" };
    let (from, to) = if message.from_me { (me, chat.as_str()) } else { (chat.as_str(), me) };
    let common = content(&message.content);
    let data =
        Data { notify_name: Some(message.push_name.as_deref()), chat: address(&message.chat), sender: Some(address(&message.sender)), ..common.data };
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

fn sent_message<'a>(sent: &'a Sent, me: &'a str, at: u64) -> Message<'a> {
    Message { ack: 1, ack_name: AckName::Server, ..outbound(&sent.message, Some(&sent.id), me, at) }
}

fn failed_message<'a>(failure: &'a Failure, me: &'a str, at: u64) -> Message<'a> {
    let error = Some(Reason { code: &failure.code, reason: &failure.reason });
    Message { ack: -1, ack_name: AckName::Error, error, ..outbound(&failure.message, failure.id.as_deref(), me, at) }
}

fn outbound<'a>(message: &'a OutboundMessage, id: Option<&str>, me: &'a str, at: u64) -> Message<'a> {
    let chat = &message.to.chat;
    let common = content(&message.content);
    let metadata = message.metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    Message {
        id: id.map(|id| key(true, chat, id, "")),
        timestamp: at / 1000,
        from: me,
        from_me: true,
        source: "api",
        to: chat,
        reply_to: reply_to(message.reply_to.as_deref()),
        data: Data { chat: address(&message.to), metadata: Some(metadata), ..common.data },
        ..common
    }
}

fn acknowledgement<'a>(event: &'a wharf_plugin::Ack, me: &'a str) -> Ack<'a> {
    let (number, name) = ack(event.level);
    let chat = &event.chat.chat;
    Ack {
        id: key(true, chat, &event.id, ""),
        from: me,
        to: chat,
        participant: "",
        from_me: true,
        ack: number,
        ack_name: name,
        data: AckData { chat: address(&event.chat) },
    }
}

/// The serialized key of a message; in a group it names who wrote it, unless that is this account.
fn key(from_me: bool, chat: &str, id: &str, participant: &str) -> String {
    if from_me || participant.is_empty() { format!("{from_me}_{chat}_{id}") } else { format!("{from_me}_{chat}_{id}_{participant}") }
}

fn address(address: &wharf_plugin::Address) -> Address<'_> {
    Address { id: &address.chat, pn: address.pn.as_deref(), lid: address.lid.as_deref() }
}

fn reply_to(id: Option<&str>) -> Option<ReplyTo<'_>> {
    Some(ReplyTo { id: id?, participant: None, body: None, has_media: false })
}

/// A message with the fields alone that depend on what it says.
fn content(content: &Content) -> Message<'_> {
    let message = Message { body: content.body().unwrap_or_default(), ..Message::default() };
    let data = Data::default();
    match content {
        Content::Text(text) => Message { data: Data { kind: "chat", mentions: Some(&text.mentions), ..data }, ..message },
        Content::Media(media) => Message {
            has_media: true,
            media: Some(Media { url: None, mimetype: &media.mime_type, filename: media.file_name.as_deref(), s3: None, error: None }),
            data: Data { kind: kind(media.kind), size: Some(media.size_bytes), sha256: Some(hex::encode(&media.sha256)), ..data },
            ..message
        },
        Content::Location(place) => {
            let (latitude, longitude) = (place.latitude.to_string(), place.longitude.to_string());
            let location = Some(Place { latitude, longitude, live: false, name: place.name.as_deref() });
            Message { location, data: Data { kind: "location", ..data }, ..message }
        }
        Content::Contact(card) => {
            let data = Data { kind: "vcard", vcard_formatted_name: Some(&card.display_name), ..data };
            Message { v_cards: vec![&card.vcard], data, ..message }
        }
        Content::Poll(poll) => {
            let data = Data { kind: "poll_creation", poll_selectable_options_count: Some(poll.selectable), ..data };
            let poll = Poll { name: &poll.question, options: &poll.options, multiple_answers: poll.selectable != 1 };
            Message { poll: Some(poll), data, ..message }
        }
        Content::Reaction(reaction) => {
            let reaction = Some(Reaction { text: &reaction.emoji, message_id: &reaction.target });
            Message { reaction, data: Data { kind: "reaction", ..data }, ..message }
        }
        Content::Edit(edit) => {
            let data = Data { kind: "edited", mentions: Some(&edit.text.mentions), ..data };
            Message { edited_message_id: Some(&edit.target), data, ..message }
        }
        Content::Delete(delete) => {
            let data = Data { kind: "revoked", for_everyone: Some(delete.for_everyone), ..data };
            Message { revoked_message_id: Some(&delete.target), data, ..message }
        }
        Content::Other(other) => {
            let json = serde_json::from_str(&other.json).unwrap_or_else(|_| Value::from(other.json.as_str()));
            Message { data: Data { kind: &other.kind, content: Some(json), ..data }, ..message }
        }
    }
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
