//! The content of a message by kind: the fields of the kind, and WhatsApp Web's name of it.
//!
//! Only fields that depend on the content are set here. The caller sets the author, the chat and
//! the time.

use serde::Serialize;
use serde_json::Value;
use wharf_plugin::{Content, MediaKind};

use super::{Data, Message};

/// A file by reference.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema), schemars(rename = "WebhookMedia"))]
pub(super) struct Media<'a> {
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
pub(super) struct Place<'a> {
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
pub(super) struct Poll<'a> {
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
pub(super) struct Reaction<'a> {
    /// One emoji; empty when the reaction is removed.
    text: &'a str,
    /// The bare id of the message that is reacted to.
    message_id: &'a str,
}

/// A message with only the fields that depend on its content.
pub(super) fn of(content: &Content) -> Message<'_> {
    let message = Message {
        body: content.body().unwrap_or_default(),
        ..Message::default()
    };
    let data = Data::default();
    match content {
        Content::Text(text) => Message {
            data: Data {
                kind: "chat",
                mentions: Some(&text.mentions),
                ..data
            },
            ..message
        },
        Content::Media(media) => Message {
            has_media: true,
            media: Some(Media {
                url: None,
                mimetype: &media.mime_type,
                filename: media.file_name.as_deref(),
                s3: None,
                error: None,
            }),
            data: Data {
                kind: kind(media.kind),
                size: Some(media.size_bytes),
                sha256: Some(hex::encode(&media.sha256)),
                ..data
            },
            ..message
        },
        Content::Location(place) => {
            let (latitude, longitude) = (place.latitude.to_string(), place.longitude.to_string());
            let location = Some(Place {
                latitude,
                longitude,
                live: false,
                name: place.name.as_deref(),
            });
            Message {
                location,
                data: Data {
                    kind: "location",
                    ..data
                },
                ..message
            }
        }
        Content::Contact(card) => {
            let data = Data {
                kind: "vcard",
                vcard_formatted_name: Some(&card.display_name),
                ..data
            };
            Message {
                v_cards: vec![&card.vcard],
                data,
                ..message
            }
        }
        Content::Poll(poll) => {
            let data = Data {
                kind: "poll_creation",
                poll_selectable_options_count: Some(poll.selectable),
                ..data
            };
            let poll = Poll {
                name: &poll.question,
                options: &poll.options,
                multiple_answers: poll.selectable != 1,
            };
            Message {
                poll: Some(poll),
                data,
                ..message
            }
        }
        Content::Reaction(reaction) => {
            let reaction = Some(Reaction {
                text: &reaction.emoji,
                message_id: &reaction.target,
            });
            Message {
                reaction,
                data: Data {
                    kind: "reaction",
                    ..data
                },
                ..message
            }
        }
        Content::Edit(edit) => {
            let data = Data {
                kind: "edited",
                mentions: Some(&edit.text.mentions),
                ..data
            };
            Message {
                edited_message_id: Some(&edit.target),
                data,
                ..message
            }
        }
        Content::Delete(delete) => {
            let data = Data {
                kind: "revoked",
                for_everyone: Some(delete.for_everyone),
                ..data
            };
            Message {
                revoked_message_id: Some(&delete.target),
                data,
                ..message
            }
        }
        Content::Other(other) => {
            let json = serde_json::from_str(&other.json)
                .unwrap_or_else(|_| Value::from(other.json.as_str()));
            Message {
                data: Data {
                    kind: &other.kind,
                    content: Some(json),
                    ..data
                },
                ..message
            }
        }
    }
}

/// WhatsApp Web's name of a kind of media.
fn kind(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Image => "image",
        MediaKind::Video => "video",
        MediaKind::Audio => "audio",
        MediaKind::Voice => "ptt",
        MediaKind::Document => "document",
        MediaKind::Sticker => "sticker",
    }
}
