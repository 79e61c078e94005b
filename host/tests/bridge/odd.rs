//! Messages with fields of the wrong type: each is reported once, whatever is in it.

use std::collections::BTreeMap;

use proptest::{
    collection,
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};
use wharf::model::{Location, Media, MediaDetails, MediaKind, OtherContent, Poll, Timestamp};
use wharf_standin::HALF_EMOJI;

use super::*;

const ANN: &str = "4917611111111";

fn told(kind: &str, body: &str, fields: Value) -> Inbound {
    let fields = serde_json::from_value(fields).expect("fields");
    Inbound {
        kind: Some(kind.into()),
        fields,
        from: ANN.into(),
        body: body.into(),
        pushname: Some("Ann".into()),
        ..Inbound::default()
    }
}

fn media(size_bytes: u64, caption: Option<&str>) -> Content {
    let (kind, mime_type, caption) = (
        MediaKind::Image,
        "image/png".into(),
        caption.map(ToOwned::to_owned),
    );
    Content::Media(Media {
        kind,
        mime_type,
        size_bytes,
        sha256: vec![],
        file_name: None,
        caption,
        details: MediaDetails::default(),
    })
}

fn other(kind: &str) -> Content {
    Content::Other(OtherContent {
        kind: kind.into(),
        json: "{}".into(),
    })
}

fn text(body: &str) -> Content {
    Content::Text(Text {
        body: body.into(),
        mentions: vec![],
        preview_links: false,
    })
}

#[tokio::test]
async fn one_odd_field_costs_that_field_and_not_the_message() {
    let test_page = test_page(json!({})).await;
    let mut open = test_page
        .link(Account {
            pushname: format!("Me {HALF_EMOJI}"),
            ..Account::default()
        })
        .await;
    let name = open
        .page
        .status()
        .await
        .expect("answered, whatever the account calls itself")
        .account
        .and_then(|me| me.push_name);
    assert_eq!(name.as_deref(), Some("Me \u{FFFD}"));

    let poll = |selectable, options: &[&str]| {
        let options = options.iter().map(ToString::to_string).collect();
        Content::Poll(Poll {
            question: "When?".into(),
            options,
            selectable,
        })
    };
    let asked = |count: Value, options: Value| {
        told(
            "poll_creation",
            "",
            json!({"pollName": "When?", "pollOptions": options, "pollSelectableOptionsCount": count}),
        )
    };
    let image = |size: Value, caption: Value| {
        told(
            "image",
            "",
            json!({"mimetype": "image/png", "size": size, "caption": caption}),
        )
    };
    let place = |lat: Value, lng: Value| told("location", "", json!({"lat": lat, "lng": lng}));
    let half = format!("half {HALF_EMOJI}");
    for (inbound, content) in [
        (told("chat", &half, json!({})), text("half \u{FFFD}")),
        (
            told("chat", "\\ud83d is no emoji", json!({})),
            text("\\ud83d is no emoji"),
        ),
        (told("chat", "", json!({"body": 5})), text("")),
        (
            told("chat", "to whom", json!({"mentionedJidList": "all"})),
            text("to whom"),
        ),
        (
            image(json!(7), json!(half)),
            media(7, Some("half \u{FFFD}")),
        ),
        (image(json!(7.5), json!("look")), media(0, Some("look"))),
        (image(json!(-1), json!(["look"])), media(0, None)),
        (image(json!("7"), json!(null)), media(0, None)),
        (image(json!(1e300), json!(null)), media(0, None)),
        (place(json!(null), json!(13.4)), other("location")),
        (place(json!("52.5"), json!("13.4")), other("location")),
        (place(json!(52.5), json!(1300)), other("location")),
        (
            place(json!(52.5), json!(-13.4)),
            Content::Location(Location {
                latitude: 52.5,
                longitude: -13.4,
                name: None,
            }),
        ),
        (
            asked(json!(4_294_967_296_u64), json!([{"name": "now"}])),
            poll(0, &["now"]),
        ),
        (
            asked(json!(-1), json!([{"name": "now"}, {"name": 5}, null])),
            poll(0, &["now", "", ""]),
        ),
        (asked(json!(1.5), json!("now")), poll(0, &[])),
        (told("constructor", "", json!({})), other("constructor")),
        (
            told("chat", "", json!({"type": {"a": 1}})),
            other("[object Object]"),
        ),
        (
            told("chat", "when", json!({"t": "yesterday"})),
            text("when"),
        ),
    ] {
        let what = format!("{inbound:?}");
        let id = test_page.standin.inbound(inbound).expect("sent");
        let message = open.message().await;
        assert_eq!(
            (
                message.id.0.as_str(),
                &message.content,
                message.push_name.as_deref()
            ),
            (id.as_str(), &content, Some("Ann")),
            "{what}"
        );
        assert!(
            Timestamp::now().since(message.sent_at) < 60_000,
            "{what}: {message:?}"
        );
    }
    let strange =
        json!({"author": 7, "from": {"user": "x"}, "notifyName": half, "quotedStanzaID": ["x"]});
    test_page
        .standin
        .inbound(told("chat", "from whom", strange))
        .expect("sent");
    let message = open.message().await;
    assert_eq!(
        (
            &message.sender,
            message.push_name.as_deref(),
            &message.reply_to
        ),
        (&message.chat, Some("half \u{FFFD}"), &None)
    );
    assert_eq!(
        test_page.standin.view().reports,
        Vec::<String>::new(),
        "the bridge caused errors that the page reports"
    );
    open.page.close().await;
}

/// The fields that another program may set in a message.
const FIELDS: [&str; 19] = [
    "notifyName",
    "body",
    "t",
    "from",
    "author",
    "mentionedJidList",
    "quotedStanzaID",
    "mimetype",
    "size",
    "filename",
    "caption",
    "lat",
    "lng",
    "loc",
    "vcardFormattedName",
    "pollName",
    "pollOptions",
    "pollSelectableOptionsCount",
    "type",
];
const KINDS: [&str; 12] = [
    "chat",
    "image",
    "video",
    "audio",
    "ptt",
    "document",
    "sticker",
    "location",
    "vcard",
    "poll_creation",
    "multi_vcard",
    "of another year",
];

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        ".{0,6}".prop_map(|text| Value::from(format!("{text}{HALF_EMOJI}{HALF_EMOJI}{text}"))),
        Just(Value::from("constructor")),
        Just(Value::from(format!("{ANN}@c.us"))),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let named = prop_oneof![
            Just("name".to_owned()),
            Just("toString".to_owned()),
            Just("length".to_owned()),
            "[a-z]{0,6}"
        ];
        let object = collection::btree_map(named, inner.clone(), 0..4)
            .prop_map(|fields| Value::Object(fields.into_iter().collect()));
        prop_oneof![collection::vec(inner, 0..4).prop_map(Value::from), object]
    })
}

fn any_message() -> impl Strategy<Value = Inbound> {
    let fields = collection::btree_map(
        (0..FIELDS.len()).prop_map(|n| FIELDS[n].to_owned()),
        any_json(),
        1..6,
    );
    (0..KINDS.len(), fields).prop_map(|(kind, fields)| Inbound {
        fields,
        ..told(KINDS[kind], "hello", json!({}))
    })
}

#[tokio::test]
async fn whatever_stands_in_the_fields_of_a_message_it_is_told_once_live_and_once_as_missed() {
    let test_page = test_page(json!({})).await;
    let mut open = test_page.link(Account::default()).await;
    let began = Timestamp::now().minus(Duration::from_secs(60));
    let mut runner = TestRunner::new(Config::default());
    let mut sent = BTreeMap::new();
    for _ in 0..250 {
        let inbound = any_message()
            .new_tree(&mut runner)
            .expect("a message")
            .current();
        let id = test_page.standin.inbound(inbound.clone()).expect("sent");
        sent.insert(id, inbound);
    }
    let last = test_page
        .standin
        .inbound(told("chat", "the last", json!({})))
        .expect("sent");
    let live = open
        .all_until(
            "the last",
            |event| matches!(event, PageEvent::Message(message) if message.id.0 == last),
        )
        .await;
    each_once("live", &sent, &last, &live);

    open.reload().await;
    open.page.catch_up(began).await.expect("begun");
    let missed = open
        .all_until("the end", |event| {
            matches!(event, PageEvent::CaughtUp { .. })
        })
        .await;
    // A message whose time says that it is old is not expected.
    let is_old = |inbound: &Inbound| {
        inbound
            .fields
            .get("t")
            .and_then(Value::as_f64)
            .is_some_and(|t| t < 1_000.0 * 1_000_000.0)
    };
    sent.retain(|_, inbound| !is_old(inbound));
    each_once("as missed", &sent, &last, &missed);
    assert_eq!(
        missed.last(),
        Some(&PageEvent::CaughtUp {
            complete: Some(true)
        })
    );
    open.page.close().await;
}

fn each_once(how: &str, sent: &BTreeMap<String, Inbound>, last: &str, events: &[PageEvent]) {
    let mut told: BTreeMap<&str, u32> = BTreeMap::new();
    for event in events {
        match event {
            PageEvent::Message(message) | PageEvent::Missed(message) => {
                *told.entry(&message.id.0).or_default() += 1
            }
            PageEvent::Fault(fault) => panic!("{fault:?}"),
            _ => {}
        }
    }
    let wrong: Vec<_> = sent
        .iter()
        .map(|(id, inbound)| (told.remove(id.as_str()), inbound))
        .filter(|(times, _)| *times != Some(1))
        .collect();
    assert!(
        wrong.is_empty(),
        "{how}: {} of {} were not told once, as the first {:?}",
        wrong.len(),
        sent.len(),
        wrong[0]
    );
    assert_eq!(told.into_keys().collect::<Vec<_>>(), [last]);
}

#[tokio::test]
async fn a_message_without_a_readable_key_is_a_fault_which_is_told_once() {
    let test_page = test_page(json!({})).await;
    let mut open = test_page.link(Account::default()).await;
    for _ in 0..3 {
        test_page
            .standin
            .inbound(Inbound {
                id: Some(String::new()),
                ..told("chat", "nobody's", json!({}))
            })
            .expect("sent");
    }
    let lines = Inbound {
        id: Some("two\nlines".into()),
        ..told("chat", "somebody's", json!({}))
    };
    test_page.standin.inbound(lines).expect("sent");
    let last = |event: &PageEvent| matches!(event, PageEvent::Message(message) if message.content.body() == Some("somebody's"));
    let events = open.all_until("the message", last).await;
    let faults: Vec<_> = events
        .iter()
        .filter(|event| matches!(event, PageEvent::Fault(_)))
        .collect();
    assert!(
        matches!(faults[..], [PageEvent::Fault(fault)] if fault.place == "take" && fault.error == "TypeError" && fault.count == 1),
        "{faults:?}"
    );
    assert!(
        matches!(events.last(), Some(PageEvent::Message(message)) if message.id.0 == "two\nlines")
    );
    assert_eq!(
        test_page.standin.view().reports,
        Vec::<String>::new(),
        "the bridge caused errors that the page reports"
    );
    open.page.close().await;
}

#[tokio::test]
async fn a_catch_up_that_a_log_out_interrupts_is_neither_a_fault_nor_told_as_ended() {
    let test_page = test_page(json!({"historyDelay": 60_000})).await;
    let mut open = test_page.link(Account::default()).await;
    let began = Timestamp::now().minus(Duration::from_secs(60));
    test_page
        .standin
        .inbound(told("chat", "hello", json!({})))
        .expect("sent");
    open.message().await;
    open.page.catch_up(began).await.expect("begun");
    open.page.logout().await.expect("logged out");
    let events = open
        .all_until("the reload", |event| matches!(event, PageEvent::Navigated))
        .await;
    assert!(
        events
            .iter()
            .any(|event| matches!(event, PageEvent::LoggedOut(_))),
        "{events:?}"
    );
    assert!(
        !events
            .iter()
            .any(|event| matches!(event, PageEvent::Fault(_) | PageEvent::CaughtUp { .. })),
        "{events:?}"
    );
    open.page.close().await;
}
