//! The content of a message by kind: the fields of the kind, and WhatsApp Web's name of it.
//!
//! Only fields that depend on the content are set here. The caller sets the author, the chat and
//! the time.

use serde::Serialize;
use serde_json::Value;
use wharf_plugin::{Content, MediaKind};

/// The fields of a message that depend on its kind.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct OfKind<'a> {
    /// The text, the caption or the question; empty if the kind has none, or if the plugin lacks
    /// the grant `bodies`.
    body: &'a str,
    /// Whether it has a file.
    has_media: bool,
    /// The file, without its bytes.
    media: Option<Media<'a>>,
    /// Always empty.
    media_url: &'static str,
    /// The place; only for a location.
    location: Option<Place<'a>>,
    /// The vCard of a contact; otherwise empty.
    v_cards: Vec<&'a str>,
    /// The poll; only for a poll.
    #[serde(skip_serializing_if = "Option::is_none")]
    poll: Option<Poll<'a>>,
    /// The reaction; only for a reaction.
    #[serde(skip_serializing_if = "Option::is_none")]
    reaction: Option<Reaction<'a>>,
    /// The id of the edited message; only for an edit.
    #[serde(skip_serializing_if = "Option::is_none")]
    edited_message_id: Option<&'a str>,
    /// The id of the deleted message; only for a deletion.
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_message_id: Option<&'a str>,
}

/// The further data that depend on the kind of a message.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct DataOfKind<'a> {
    /// WhatsApp Web's name of the kind; `chat` is a text.
    #[serde(rename = "type")]
    kind: &'a str,
    /// The ids that the text mentions; only for a text or an edit.
    #[serde(skip_serializing_if = "Option::is_none")]
    mentions: Option<&'a [String]>,
    /// The size of the file in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    /// The SHA-256 of the file in hexadecimal; empty when not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    sha256: Option<String>,
    /// The displayed name of a contact.
    #[serde(skip_serializing_if = "Option::is_none", rename = "vcardFormattedName")]
    vcard_formatted_name: Option<&'a str>,
    /// How many options of a poll one person may choose; 0 means any number.
    #[serde(skip_serializing_if = "Option::is_none")]
    poll_selectable_options_count: Option<u32>,
    /// Whether a message is deleted for everyone in the chat.
    #[serde(skip_serializing_if = "Option::is_none")]
    for_everyone: Option<bool>,
    /// WhatsApp's data of a kind that the gateway does not model.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Value>,
}

/// A file by reference.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "WebhookMedia"))]
struct Media<'a> {
    /// Always null.
    url: Option<&'a str>,
    /// The media type, e.g. `image/png`.
    mimetype: &'a str,
    /// The name shown to the recipient.
    filename: Option<&'a str>,
    /// Always null.
    s3: Option<&'a str>,
    /// Always null.
    error: Option<&'a str>,
}

/// A geographic location.
#[derive(Debug, Serialize)]
#[cfg_attr(
    test,
    derive(schemars::JsonSchema),
    schemars(rename = "WebhookLocation")
)]
struct Place<'a> {
    /// Degrees from -90 to 90, as a string.
    latitude: String,
    /// Degrees from -180 to 180, as a string.
    longitude: String,
    /// Always false.
    live: bool,
    /// The name shown beside the pin.
    name: Option<&'a str>,
}

/// A poll.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "WebhookPoll"))]
struct Poll<'a> {
    /// The question.
    name: &'a str,
    /// The options, in order.
    options: &'a [String],
    /// Whether one person may choose more than one option.
    multiple_answers: bool,
}

/// An emoji reaction to a message.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(
    test,
    derive(schemars::JsonSchema),
    schemars(rename = "WebhookReaction")
)]
struct Reaction<'a> {
    /// One emoji; empty when the reaction is removed.
    text: &'a str,
    /// The bare id of the message that is reacted to.
    message_id: &'a str,
}

/// The fields of a message, and its further data, that depend on its content.
pub(super) fn of(content: &Content) -> (OfKind<'_>, DataOfKind<'_>) {
    let message = OfKind {
        body: content.body().unwrap_or_default(),
        ..OfKind::default()
    };
    let data = DataOfKind::default();
    match content {
        Content::Text(text) => {
            let data = DataOfKind {
                kind: "chat",
                mentions: Some(&text.mentions),
                ..data
            };
            (message, data)
        }
        Content::Media(media) => {
            let file = Media {
                url: None,
                mimetype: &media.mime_type,
                filename: media.file_name.as_deref(),
                s3: None,
                error: None,
            };
            let message = OfKind {
                has_media: true,
                media: Some(file),
                ..message
            };
            let data = DataOfKind {
                kind: kind(&media.kind),
                size: Some(media.size_bytes),
                sha256: Some(hex::encode(&media.sha256)),
                ..data
            };
            (message, data)
        }
        Content::Location(place) => {
            let location = Place {
                latitude: place.latitude.to_string(),
                longitude: place.longitude.to_string(),
                live: false,
                name: place.name.as_deref(),
            };
            let message = OfKind {
                location: Some(location),
                ..message
            };
            let data = DataOfKind {
                kind: "location",
                ..data
            };
            (message, data)
        }
        Content::Contact(card) => {
            let message = OfKind {
                v_cards: vec![&card.vcard],
                ..message
            };
            let data = DataOfKind {
                kind: "vcard",
                vcard_formatted_name: Some(&card.display_name),
                ..data
            };
            (message, data)
        }
        Content::Poll(poll) => {
            let data = DataOfKind {
                kind: "poll_creation",
                poll_selectable_options_count: Some(poll.selectable),
                ..data
            };
            let poll = Poll {
                name: &poll.question,
                options: &poll.options,
                multiple_answers: poll.selectable != 1,
            };
            let message = OfKind {
                poll: Some(poll),
                ..message
            };
            (message, data)
        }
        Content::Reaction(reaction) => {
            let reaction = Reaction {
                text: &reaction.emoji,
                message_id: &reaction.target,
            };
            let message = OfKind {
                reaction: Some(reaction),
                ..message
            };
            let data = DataOfKind {
                kind: "reaction",
                ..data
            };
            (message, data)
        }
        Content::Edit(edit) => {
            let message = OfKind {
                edited_message_id: Some(&edit.target),
                ..message
            };
            let data = DataOfKind {
                kind: "edited",
                mentions: Some(&edit.text.mentions),
                ..data
            };
            (message, data)
        }
        Content::Delete(delete) => {
            let message = OfKind {
                revoked_message_id: Some(&delete.target),
                ..message
            };
            let data = DataOfKind {
                kind: "revoked",
                for_everyone: Some(delete.for_everyone),
                ..data
            };
            (message, data)
        }
        Content::Other(other) => {
            let json = serde_json::from_str(&other.json)
                .unwrap_or_else(|_| Value::from(other.json.as_str()));
            let data = DataOfKind {
                kind: &other.kind,
                content: Some(json),
                ..data
            };
            (message, data)
        }
        _ => (message, data),
    }
}

/// WhatsApp Web's name of a kind of media.
fn kind(kind: &MediaKind) -> &str {
    match kind {
        MediaKind::Image => "image",
        MediaKind::Video => "video",
        MediaKind::Audio => "audio",
        MediaKind::Voice => "ptt",
        MediaKind::Sticker => "sticker",
        MediaKind::Other(name) => name,
        // As the bridge names it.
        _ => "document",
    }
}
