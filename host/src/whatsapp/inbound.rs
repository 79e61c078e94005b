//! Reads a message that the bridge reports. The bridge has validated each field, but nothing here
//! depends on that, because a script of the operator may replace it. An invalid field is dropped
//! and the rest kept; without an id or a chat there is no message.

use serde_json::{Map, Value};

use crate::model::{Address, InboundMessage, MessageId, Timestamp, content};

/// The latest accepted timestamp in milliseconds since the epoch: the end of the year 9999.
const LAST: f64 = 253_402_300_799_999.0;

/// Reads a message; `None` if it has no id or no chat.
pub(super) fn read(message: &mut Map<String, Value>) -> Option<InboundMessage> {
    let id = MessageId(text(message, "id")?);
    let chat = address(message.remove("chat"))?;
    Some(InboundMessage {
        sender: address(message.remove("sender")).unwrap_or_else(|| chat.clone()),
        from_me: message
            .get("fromMe")
            .and_then(Value::as_bool)
            .unwrap_or_default(),
        push_name: string(message.remove("pushName")),
        sent_at: moment(message.get("sentAt")).unwrap_or_else(Timestamp::now),
        content: content::bridge::read(message.remove("content").unwrap_or_default()),
        reply_to: text(message, "replyTo").map(MessageId),
        id,
        chat,
    })
}

/// A timestamp from milliseconds since the epoch.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
fn moment(value: Option<&Value>) -> Option<Timestamp> {
    let millis = value?.as_f64()?;
    (0.0..=LAST)
        .contains(&millis)
        .then_some(Timestamp(millis as i64))
}

fn address(value: Option<Value>) -> Option<Address> {
    let Some(Value::Object(mut forms)) = value else {
        return None;
    };
    Some(Address {
        chat: text(&mut forms, "chat")?,
        pn: text(&mut forms, "pn"),
        lid: text(&mut forms, "lid"),
    })
}

/// A text that is not empty.
fn text(fields: &mut Map<String, Value>, name: &str) -> Option<String> {
    string(fields.remove(name)).filter(|text| !text.is_empty())
}

fn string(value: Option<Value>) -> Option<String> {
    match value {
        Some(Value::String(text)) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection, prelude::*};
    use serde_json::json;

    use super::*;
    use crate::{
        model::{Content, OtherContent},
        whatsapp::{
            PageEvent,
            news::{Said, parse},
        },
    };

    /// A message of every kind, as the bridge reports it.
    fn every_kind() -> Vec<Value> {
        let contents = [
            json!({"kind": "text", "body": "hi", "mentions": ["1@lid"], "preview_links": false}),
            json!({"kind": "media", "media_kind": "image", "mime_type": "image/png", "size_bytes": 7, "file_name": "a.png", "caption": "look"}),
            json!({"kind": "location", "latitude": 52.5, "longitude": 13.4, "name": "Home"}),
            json!({"kind": "contact", "display_name": "Ada", "vcard": "BEGIN:VCARD"}),
            json!({"kind": "poll", "question": "When?", "options": ["now"], "selectable": 1}),
            json!({"kind": "other", "type": "multi_vcard", "json": "{}"}),
        ];
        let address = json!({"chat": "1@lid", "pn": "2@c.us", "lid": "1@lid"});
        contents
            .map(|content| {
                json!({
                    "id": "3EB0", "chat": address, "sender": address, "fromMe": false, "pushName": "Ann", "sentAt": 1000, "content": content, "replyTo": "3EB1",
                })
            })
            .into()
    }

    fn tell(message: &Value) -> Option<InboundMessage> {
        match parse(&json!({"page": "p", "n": 1, "type": "message", "number": 1, "missed": false, "message": message}).to_string()) {
            Some(Said::Message(PageEvent::Message(message), _)) => Some(message),
            Some(Said::Message(PageEvent::Fault(_), _)) => None,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_odd_field_costs_that_field() {
        for message in every_kind() {
            let good = tell(&message).expect("a message");
            assert_ne!(
                good.content.kind() == "other",
                message["content"]["kind"] != "other",
                "{message}"
            );
            let mut odd = message.clone();
            for (name, value) in [
                ("sender", json!(5)),
                ("fromMe", json!("no")),
                ("pushName", json!({})),
                ("replyTo", json!([])),
                ("sentAt", json!(1000.7)),
            ] {
                odd[name] = value;
            }
            let read = tell(&odd).expect("a message");
            assert_eq!(
                read,
                InboundMessage {
                    sender: good.chat.clone(),
                    push_name: None,
                    reply_to: None,
                    ..good
                }
            );
        }
        let mut place = every_kind().remove(2);
        place["content"]["latitude"] = Value::Null;
        assert_eq!(
            tell(&place).expect("a message").content,
            Content::Other(OtherContent {
                kind: "location".into(),
                json: "{}".into()
            })
        );
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,12}".prop_map(Value::from),
            prop_oneof![
                Just("kind"),
                Just("text"),
                Just("constructor"),
                Just("__proto__")
            ]
            .prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            let object = collection::btree_map("[a-z_]{0,8}", inner.clone(), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect()));
            prop_oneof![collection::vec(inner, 0..4).prop_map(Value::from), object]
        })
    }

    /// Every field; those of the content by their path.
    const FIELDS: [&str; 22] = [
        "/chat/pn",
        "/chat/lid",
        "/sender",
        "/sender/chat",
        "/fromMe",
        "/pushName",
        "/sentAt",
        "/replyTo",
        "/content",
        "/content/kind",
        "/content/body",
        "/content/mentions",
        "/content/size_bytes",
        "/content/media_kind",
        "/content/caption",
        "/content/latitude",
        "/content/name",
        "/content/vcard",
        "/content/question",
        "/content/options",
        "/content/selectable",
        "/content/type",
    ];

    proptest! {
        #[test]
        fn whatever_stands_in_a_field_it_is_one_message(kind in 0..6usize, odd in collection::vec((0..FIELDS.len(), any_json()), 1..4)) {
            let mut message = every_kind().remove(kind);
            for (field, value) in odd {
                if let Some(place) = message.pointer_mut(FIELDS[field]) {
                    *place = value;
                }
            }
            prop_assert!(tell(&message).is_some_and(|read| read.id.0 == "3EB0" && read.chat.chat == "1@lid"), "{message}");
        }

        #[test]
        fn whatever_is_told_as_a_message_is_a_message_or_a_fault(message in any_json()) {
            tell(&message);
        }

        #[test]
        fn whatever_the_page_says_is_taken(text in ".{0,80}", value in any_json()) {
            parse(&text);
            parse(&value.to_string());
            for kind in ["hello", "status", "qr", "ack", "refused", "fault", "message", "caught_up", "banned", "passkey", "login"] {
                parse(&json!({"type": kind, "status": value, "code": value, "id": value, "address": value, "message": value, "entries": value, "stage": value}).to_string());
            }
        }
    }
}
