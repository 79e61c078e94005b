//! Conversions of messages between the line 0.1 and the present one.

use serde_json::json;

use super::{
    bindings::wharf::plugin::messages::{self, OtherContent},
    now_messages,
};

impl From<&now_messages::Address> for messages::Address {
    fn from(address: &now_messages::Address) -> Self {
        Self {
            chat: address.chat.clone(),
            pn: address.pn.clone(),
            lid: address.lid.clone(),
        }
    }
}

impl From<messages::Address> for now_messages::Address {
    fn from(address: messages::Address) -> Self {
        Self {
            chat: address.chat,
            pn: address.pn,
            lid: address.lid,
        }
    }
}

/// Kinds of content that are the same in both lines.
macro_rules! contents {
    ($($Variant:ident($Kind:ident) { $($field:ident),+ })+) => {
        $(impl From<&now_messages::$Kind> for messages::$Kind {
            fn from(now_messages::$Kind { $($field),+ }: &now_messages::$Kind) -> Self {
                Self { $($field: Here::here($field)),+ }
            }
        }

        impl From<messages::$Kind> for now_messages::$Kind {
            fn from(messages::$Kind { $($field),+ }: messages::$Kind) -> Self {
                Self { $($field: $field.into()),+ }
            }
        })+

        impl From<&now_messages::Content> for messages::Content {
            fn from(content: &now_messages::Content) -> Self {
                match content {
                    now_messages::Content::Media(file) => media(file),
                    $(now_messages::Content::$Variant(content) => Self::$Variant(content.into()),)+
                }
            }
        }

        impl From<messages::Content> for now_messages::Content {
            fn from(content: messages::Content) -> Self {
                match content {
                    messages::Content::Media(file) => Self::Media(new_media(file)),
                    $(messages::Content::$Variant(content) => Self::$Variant(content.into()),)+
                }
            }
        }
    };
}
contents! {
    Text(Text) { body, mentions, preview_links }
    Location(Location) { latitude, longitude, name }
    Contact(Contact) { display_name, vcard }
    Poll(Poll) { question, options, selectable }
    Reaction(Reaction) { target, emoji }
    Edit(Edit) { target, text }
    Delete(Delete) { target, for_everyone }
    Other(OtherContent) { kind, json }
}

/// A field as it is in this line.
trait Here<T> {
    fn here(&self) -> T;
}

impl<T: Clone> Here<T> for T {
    fn here(&self) -> T {
        self.clone()
    }
}

impl Here<messages::Text> for now_messages::Text {
    fn here(&self) -> messages::Text {
        self.into()
    }
}

/// The kind as this line has it; the name of a kind that it does not have.
fn media_kind(kind: &now_messages::MediaKind) -> Result<messages::MediaKind, &str> {
    Ok(match kind {
        now_messages::MediaKind::Image => messages::MediaKind::Image,
        now_messages::MediaKind::Video => messages::MediaKind::Video,
        now_messages::MediaKind::Audio => messages::MediaKind::Audio,
        now_messages::MediaKind::Voice => messages::MediaKind::Voice,
        now_messages::MediaKind::Document => messages::MediaKind::Document,
        now_messages::MediaKind::Sticker => messages::MediaKind::Sticker,
        now_messages::MediaKind::Other(name) => return Err(name),
    })
}

/// A file as a content of this line. A file of a kind that the line does not have is an `other`.
fn media(file: &now_messages::Media) -> messages::Content {
    let caption = file.caption.as_ref().map(|caption| caption.body.clone());
    match media_kind(&file.kind) {
        Ok(kind) => messages::Content::Media(messages::Media {
            kind,
            mime_type: file.mime_type.clone(),
            size_bytes: file.size_bytes,
            sha256: file.sha256.clone(),
            file_name: file.file_name.clone(),
            caption,
        }),
        Err(name) => messages::Content::Other(OtherContent {
            kind: name.to_owned(),
            json: json!({
                "mimeType": file.mime_type,
                "sizeBytes": file.size_bytes,
                "fileName": file.file_name,
                "caption": caption,
            })
            .to_string(),
        }),
    }
}

/// A file of which nothing more is known than this line says.
fn new_media(file: messages::Media) -> now_messages::Media {
    now_messages::Media {
        kind: match file.kind {
            messages::MediaKind::Image => now_messages::MediaKind::Image,
            messages::MediaKind::Video => now_messages::MediaKind::Video,
            messages::MediaKind::Audio => now_messages::MediaKind::Audio,
            messages::MediaKind::Voice => now_messages::MediaKind::Voice,
            messages::MediaKind::Document => now_messages::MediaKind::Document,
            messages::MediaKind::Sticker => now_messages::MediaKind::Sticker,
        },
        mime_type: file.mime_type,
        size_bytes: file.size_bytes,
        sha256: file.sha256,
        file_name: file.file_name,
        caption: file.caption.map(|body| now_messages::Caption {
            body,
            mentions: vec![],
        }),
        width: None,
        height: None,
        duration_ms: None,
        traits: now_messages::MediaTraits::empty(),
        reference: None,
    }
}

impl From<&now_messages::OutboundMessage> for messages::OutboundMessage {
    fn from(message: &now_messages::OutboundMessage) -> Self {
        Self {
            to: (&message.to).into(),
            content: (&message.content).into(),
            reply_to: message.reply_to.clone(),
            send_at: message.send_at,
            metadata: message.metadata.clone(),
        }
    }
}

impl From<&now_messages::InboundMessage> for messages::InboundMessage {
    fn from(message: &now_messages::InboundMessage) -> Self {
        Self {
            id: message.id.clone(),
            chat: (&message.chat).into(),
            sender: (&message.sender).into(),
            from_me: message.from_me,
            push_name: message.push_name.clone(),
            sent_at: message.sent_at,
            content: (&message.content).into(),
            reply_to: message.reply_to.clone(),
        }
    }
}

/// The message that a plugin gave back, with what this line cannot say as it was before.
pub(super) fn restored(
    changed: messages::OutboundMessage,
    before: &now_messages::OutboundMessage,
) -> now_messages::OutboundMessage {
    now_messages::OutboundMessage {
        to: changed.to.into(),
        content: restored_content(changed.content, &before.content),
        reply_to: changed.reply_to,
        send_at: changed.send_at,
        metadata: changed.metadata,
        extra: before.extra.clone(),
    }
}

fn restored_content(
    changed: messages::Content,
    before: &now_messages::Content,
) -> now_messages::Content {
    if changed == messages::Content::from(before) {
        return before.clone();
    }
    match (changed, before) {
        (messages::Content::Media(changed), now_messages::Content::Media(before))
            if is_same_file(&changed, before) =>
        {
            let mentions = before
                .caption
                .as_ref()
                .map_or_else(Vec::new, |caption| caption.mentions.clone());
            now_messages::Media {
                file_name: changed.file_name,
                caption: changed
                    .caption
                    .map(|body| now_messages::Caption { body, mentions }),
                ..before.clone()
            }
            .into()
        }
        (changed, _) => changed.into(),
    }
}

impl From<now_messages::Media> for now_messages::Content {
    fn from(file: now_messages::Media) -> Self {
        Self::Media(file)
    }
}

/// Whether a plugin has left the file and only changed what is written beside it.
fn is_same_file(changed: &messages::Media, before: &now_messages::Media) -> bool {
    media_kind(&before.kind) == Ok(changed.kind)
        && changed.mime_type == before.mime_type
        && changed.size_bytes == before.size_bytes
        && changed.sha256 == before.sha256
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gif() -> now_messages::Media {
        now_messages::Media {
            kind: now_messages::MediaKind::Video,
            mime_type: "video/mp4".into(),
            size_bytes: 9,
            sha256: vec![1],
            file_name: Some("cat.mp4".into()),
            caption: Some(now_messages::Caption {
                body: "@77 look".into(),
                mentions: vec!["77@lid".into()],
            }),
            width: Some(640),
            height: Some(480),
            duration_ms: Some(1500),
            traits: now_messages::MediaTraits::GIF | now_messages::MediaTraits::VIEW_ONCE,
            reference: Some("med_1".into()),
        }
    }

    fn message(content: now_messages::Content) -> now_messages::OutboundMessage {
        now_messages::OutboundMessage {
            to: now_messages::Address {
                chat: "1@c.us".into(),
                pn: None,
                lid: None,
            },
            content,
            reply_to: None,
            send_at: Some(5),
            metadata: vec![],
            extra: vec![("urgency".into(), "\"now\"".into())],
        }
    }

    /// The message after a plugin of this line has changed it.
    fn changed(
        content: now_messages::Content,
        change: impl FnOnce(&mut messages::OutboundMessage),
    ) -> now_messages::OutboundMessage {
        let before = message(content);
        let mut seen = messages::OutboundMessage::from(&before);
        change(&mut seen);
        restored(seen, &before)
    }

    #[test]
    fn what_this_line_cannot_say_is_kept_when_a_plugin_gives_a_message_back() {
        let file = || now_messages::Content::Media(gif());
        let kept = changed(file(), |message| {
            message.metadata.push(("seen".into(), "1".into()));
        });
        assert_eq!(kept.content, file());
        assert_eq!(kept.extra, message(file()).extra);
        assert_eq!(kept.metadata.len(), 1);

        let strange = now_messages::Content::Media(now_messages::Media {
            kind: now_messages::MediaKind::Other("video_note".into()),
            ..gif()
        });
        let kept = changed(strange.clone(), |message| {
            let messages::Content::Other(other) = &message.content else {
                panic!("this line has no such kind");
            };
            assert_eq!(other.kind, "video_note");
            assert!(other.json.contains("@77 look"), "{}", other.json);
        });
        assert_eq!(kept.content, strange);
    }

    #[test]
    fn a_new_caption_changes_nothing_else_and_a_new_file_has_nothing_of_the_old_one() {
        let file = || now_messages::Content::Media(gif());
        let kept = changed(file(), |message| {
            if let messages::Content::Media(file) = &mut message.content {
                file.caption = Some("@77 see".into());
            }
        });
        let expected = now_messages::Media {
            caption: Some(now_messages::Caption {
                body: "@77 see".into(),
                mentions: vec!["77@lid".into()],
            }),
            ..gif()
        };
        assert_eq!(kept.content, now_messages::Content::Media(expected));

        let other = changed(file(), |message| {
            if let messages::Content::Media(file) = &mut message.content {
                file.sha256 = vec![2];
            }
        });
        let now_messages::Content::Media(other) = other.content else {
            panic!("another kind");
        };
        assert_eq!((other.width, other.reference), (None, None));
        assert_eq!(other.traits, now_messages::MediaTraits::empty());

        let text = changed(file(), |message| {
            message.content = messages::Content::Text(messages::Text {
                body: "no files here".into(),
                mentions: vec![],
                preview_links: false,
            });
        });
        assert!(matches!(text.content, now_messages::Content::Text(_)));
    }
}
