//! Kinds of messages: sent or refused, and incoming ones.

use wharf::model::{
    Contact, Delete, Edit, Location, Media, MediaDetails, MediaKind, MediaTrait, OtherContent,
    Poll, Reaction,
};
use wharf_standin::Received;

use super::*;

pub(super) const ANN: &str = "4917611111111";
pub(super) const BOB: &str = "4917622222222";
pub(super) const GROUP: &str = "120363041234567890@g.us";

pub(super) fn from(number: &str, body: &str) -> Inbound {
    Inbound {
        from: number.into(),
        body: body.into(),
        pushname: Some("Ann".into()),
        ..Inbound::default()
    }
}

pub(super) fn in_group(number: &str, body: &str) -> Inbound {
    Inbound {
        group: Some(GROUP.into()),
        ..from(number, body)
    }
}

pub(super) fn text(body: &str, mentions: &[&str], preview_links: bool) -> Content {
    Content::Text(Text {
        body: body.into(),
        mentions: mentions.iter().map(ToString::to_string).collect(),
        preview_links,
    })
}

impl TestPage {
    /// Waits for a message and returns it as its recipient got it.
    pub(super) async fn received(&self, id: &MessageId) -> Received {
        let view = self
            .standin
            .wait_for("the message", LIMIT, |view| {
                view.messages.iter().any(|message| message.id == id.0)
            })
            .await
            .expect("arrives");
        view.messages
            .into_iter()
            .find(|message| message.id == id.0)
            .expect("there")
    }

    pub(super) fn no_reports(&self) {
        assert_eq!(
            self.standin.view().reports,
            Vec::<String>::new(),
            "the bridge caused errors that the page reports"
        );
    }
}

fn every_kind() -> Vec<Content> {
    let target = || MessageId("3EB0AA".into());
    let words = Text {
        body: "better".into(),
        mentions: vec![],
        preview_links: true,
    };
    let media = Media {
        kind: MediaKind::Image,
        mime_type: "image/png".into(),
        size_bytes: 1,
        sha256: vec![],
        file_name: None,
        caption: Some("look".into()),
        details: MediaDetails::default(),
    };
    vec![
        Content::text("hello"),
        Content::Media(media),
        Content::Location(Location {
            latitude: 52.5,
            longitude: -13.4,
            name: Some("Home".into()),
        }),
        Content::Contact(Contact {
            display_name: "Ada".into(),
            vcard: "BEGIN:VCARD\nFN:Ada\nEND:VCARD".into(),
        }),
        Content::Poll(Poll {
            question: "When?".into(),
            options: vec!["now".into(), "later".into()],
            selectable: 1,
        }),
        Content::Reaction(Reaction {
            target: target(),
            emoji: "👍".into(),
        }),
        Content::Edit(Edit {
            target: target(),
            text: words,
        }),
        Content::Delete(Delete {
            target: target(),
            for_everyone: true,
        }),
        Content::Other(OtherContent {
            kind: "multi_vcard".into(),
            json: "{}".into(),
        }),
    ]
}

#[tokio::test]
async fn a_kind_is_sent_or_refused_in_words_before_anything_was_begun() {
    let test_page = test_page(json!({})).await;
    let mut open = test_page.link(Account::default()).await;
    let address = open.resolve(ANN).await.expect("resolved").expect("exists");
    let mut sent = Vec::new();
    for (n, content) in (1..).zip(every_kind()) {
        let answer = open.put(&id(n), &address.chat, content.clone(), None).await;
        assert_eq!(
            answer.is_ok(),
            content.can_be_sent(),
            "model and bridge are not of one mind about {}: {answer:?}",
            content.kind()
        );
        match answer {
            Ok(_) => {
                assert_eq!(
                    open.progress(&id(n)).await,
                    SendProgress::Ack(AckLevel::Server),
                    "{}",
                    content.kind()
                );
                sent.push(id(n).0);
            }
            Err(error) => {
                let PageError::Refused { reason, .. } = error else {
                    panic!("{error:?}")
                };
                assert!(
                    reason.contains(content.kind())
                        && reason.contains(&Content::sendable().join(", ")),
                    "{reason}"
                );
                assert_eq!(
                    open.page.find(&id(n), &address.chat).await,
                    Ok(None),
                    "begun"
                );
            }
        }
    }
    assert_eq!(
        test_page
            .standin
            .view()
            .messages
            .iter()
            .map(|message| message.id.clone())
            .collect::<Vec<_>>(),
        sent
    );
    let place = test_page.received(&id(3)).await;
    assert_eq!(
        (place.kind.as_str(), place.location),
        (
            "location",
            Some(json!({"lat": 52.5, "lng": -13.4, "loc": "Home"}))
        )
    );
    let card = test_page.received(&id(4)).await;
    assert_eq!(
        (card.kind.as_str(), card.contact.as_deref()),
        ("vcard", Some("Ada"))
    );
    assert!(card.body.starts_with("BEGIN:VCARD"), "{card:?}");

    // A contact uses the same ids as a text, and duplicates are recognised in the same way.
    let again = open
        .put(&id(4), &address.chat, every_kind().remove(3), Some(&id(1)))
        .await
        .expect("known");
    assert!(again.duplicate);
    test_page.no_reports();
    open.page.close().await;
}

#[tokio::test]
async fn what_arrives_is_told_in_the_same_words_and_both_forms_of_address() {
    let test_page = test_page(json!({})).await;
    let mut open = test_page.link(Account::default()).await;
    let first = test_page
        .standin
        .inbound(Inbound {
            mentions: vec![format!("{BOB}@c.us")],
            ..from(ANN, "ask @4917622222222")
        })
        .expect("sent");
    let message = open.message().await;
    assert_eq!(
        message.content,
        text("ask @4917622222222", &[&format!("{BOB}@c.us")], false)
    );
    let ann = message.sender.clone();
    assert_eq!(
        (message.chat.pn.as_deref(), message.chat.lid.clone()),
        (Some("4917611111111@c.us"), Some(message.chat.chat.clone()))
    );
    assert_eq!(message.sender, message.chat, "one to one");

    test_page
        .standin
        .inbound(Inbound {
            quoted: Some(first.clone()),
            ..in_group(ANN, "in a group")
        })
        .expect("sent");
    let message = open.message().await;
    assert_eq!(
        message.chat,
        Address {
            chat: GROUP.into(),
            pn: None,
            lid: None
        }
    );
    assert_eq!((message.sender.pn, message.sender.lid), (ann.pn, ann.lid));
    assert_eq!(
        (
            message.content.body(),
            message.reply_to,
            message.push_name.as_deref()
        ),
        (Some("in a group"), Some(MessageId(first)), Some("Ann"))
    );

    let told = |kind: &str, body: &str, fields: serde_json::Value| Inbound {
        kind: Some(kind.into()),
        fields: serde_json::from_value(fields).expect("fields"),
        ..from(ANN, body)
    };
    let options = json!([{"name": "now", "localId": 0}, {"name": "later", "localId": 1}]);
    let media = Media {
        kind: MediaKind::Voice,
        mime_type: "audio/ogg".into(),
        size_bytes: 7,
        sha256: vec![],
        file_name: None,
        caption: None,
        details: MediaDetails::default(),
    };
    for (inbound, content) in [
        (
            told("vcard", "BEGIN:VCARD", json!({"vcardFormattedName": "Ada"})),
            Content::Contact(Contact {
                display_name: "Ada".into(),
                vcard: "BEGIN:VCARD".into(),
            }),
        ),
        (
            told(
                "poll_creation",
                "",
                json!({"pollName": "When?", "pollOptions": options, "pollSelectableOptionsCount": 1}),
            ),
            Content::Poll(Poll {
                question: "When?".into(),
                options: vec!["now".into(), "later".into()],
                selectable: 1,
            }),
        ),
        (
            told(
                "location",
                "",
                json!({"lat": 52.5, "lng": -13.4, "loc": "Home"}),
            ),
            Content::Location(Location {
                latitude: 52.5,
                longitude: -13.4,
                name: Some("Home".into()),
            }),
        ),
        (
            told(
                "video",
                "",
                json!({"mimetype": "video/mp4", "size": 7, "width": 640, "height": 480, "duration": "3", "isGif": true, "isViewOnce": false}),
            ),
            Content::Media(Media {
                kind: MediaKind::Video,
                mime_type: "video/mp4".into(),
                details: MediaDetails {
                    width: Some(640),
                    height: Some(480),
                    duration_ms: Some(3000),
                    traits: [MediaTrait::Gif].into(),
                    ..MediaDetails::default()
                },
                ..media.clone()
            }),
        ),
        (
            told("ptt", "", json!({"mimetype": "audio/ogg", "size": 7})),
            Content::Media(media),
        ),
        (
            told("multi_vcard", "", json!({})),
            Content::Other(OtherContent {
                kind: "multi_vcard".into(),
                json: "{}".into(),
            }),
        ),
    ] {
        test_page.standin.inbound(inbound).expect("sent");
        assert_eq!(open.message().await.content, content);
    }
    test_page.no_reports();
    open.page.close().await;
}
