//! Tests that apply to every kind, and the published forms of each kind.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::*;

/// One content of each kind, in the order of the list. The word "secret" marks what a person wrote.
pub(crate) fn every_kind() -> Vec<Content> {
    let target = || crate::model::MessageId("3EB0AA".into());
    let text = Text {
        body: "secret".into(),
        mentions: vec!["77@lid".into()],
        preview_links: true,
    };
    let media = Media {
        kind: MediaKind::Voice,
        mime_type: "audio/ogg".into(),
        size_bytes: 9,
        sha256: vec![1, 2],
        file_name: Some("secret.ogg".into()),
        caption: Some("secret".into()),
        details: MediaDetails::default(),
    };
    vec![
        Content::Text(text.clone()),
        Content::Media(media),
        Content::Location(Location {
            latitude: 52.5,
            longitude: -13.4,
            name: Some("secret".into()),
        }),
        Content::Contact(Contact {
            display_name: "secret".into(),
            vcard: "secret".into(),
        }),
        Content::Poll(Poll {
            question: "secret".into(),
            options: vec!["secret".into(), "later".into()],
            selectable: 1,
        }),
        Content::Reaction(Reaction {
            target: target(),
            emoji: "secret".into(),
        }),
        Content::Edit(Edit {
            target: target(),
            text,
        }),
        Content::Delete(Delete {
            target: target(),
            for_everyone: true,
        }),
        Content::Other(OtherContent {
            kind: "multi_vcard".into(),
            json: "{\"secret\":1}".into(),
        }),
    ]
}

#[derive(Deserialize)]
struct Cases {
    contents: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    stored: Value,
    bridge: Value,
    shown: Value,
    /// Stored forms of earlier versions; those of the first have no version number.
    earlier: Vec<Value>,
}

fn stored(content: &Content) -> String {
    let mut text = Vec::new();
    stored::serialize(content, &mut serde_json::Serializer::new(&mut text)).expect("written");
    String::from_utf8(text).expect("text")
}

/// Reads from text, as from the database: only that finds a repeated name.
fn restored(form: &Value) -> Result<Content, serde_json::Error> {
    stored::deserialize(&mut serde_json::Deserializer::from_str(&form.to_string()))
}

#[test]
fn each_form_of_each_kind_is_as_it_was_promised_and_read_as_it_was_written() {
    let Cases { contents } =
        serde_json::from_str(include_str!("../../../../tests/cases/contents.json")).expect("cases");
    let all = every_kind();
    assert_eq!(
        all.iter().map(Content::kind).collect::<Vec<_>>(),
        Content::kinds(),
        "a kind has no example"
    );
    assert_eq!(contents.len(), all.len(), "a kind has no case");
    for (content, case) in all.into_iter().zip(contents) {
        let text = stored(&content);
        assert_eq!(text.matches("\"kind\":").count(), 1, "{text}");
        assert_eq!(
            serde_json::from_str::<Value>(&text).expect("JSON"),
            case.stored
        );
        for form in case.earlier.iter().chain([&case.stored]) {
            assert_eq!(restored(form).expect("read"), content, "{form}");
        }
        assert_eq!(
            bridge::serialize(&content, serde_json::value::Serializer).expect("written"),
            case.bridge
        );
        assert_eq!(bridge::read(case.bridge), content);
        let mut shown = content.shown().expect("JSON");
        if content.kind() != "text" {
            shown = json!({content.kind(): shown});
        }
        shown["kind"] = content.kind().into();
        assert_eq!(shown, case.shown);
    }
}

#[test]
fn rows_of_other_versions_are_read_as_far_as_they_are_understood() {
    let text = |preview_links| {
        Content::Text(Text {
            body: "hi".into(),
            mentions: vec![],
            preview_links,
        })
    };
    // Rows of an earlier version lack fields, and those of a newer one have more.
    assert_eq!(
        restored(&json!({"kind": "text", "body": "hi"})).expect("read"),
        text(false)
    );
    assert_eq!(
        restored(&json!({"kind": "location", "latitude": 1.0, "longitude": 2}))
            .expect("read")
            .kind(),
        "location"
    );
    let newer = json!({"kind": "text", "v": 1, "body": "hi", "mentions": [], "preview_links": true, "colour": {"kind": "red"}});
    assert_eq!(restored(&newer).expect("read"), text(true));
    // A form that would be misread is an error.
    for form in [
        json!({"kind": "hologram", "v": 1, "body": "hi"}),
        json!({"kind": "text", "v": 2, "body": "hi"}),
        json!({"kind": "text", "v": "1", "body": "hi"}),
        json!({"kind": "text", "v": 1, "text": "hi"}),
        json!({"kind": 5}),
        json!({"body": "hi"}),
        json!("text"),
    ] {
        assert!(restored(&form).is_err(), "{form}");
    }
}

#[test]
fn nothing_that_a_person_wrote_is_left_in_what_is_concealed_or_shown_to_a_log() {
    for mut content in every_kind() {
        let before = content.clone();
        assert!(
            before.kind() == "delete" || stored(&before).contains("secret"),
            "nothing to conceal"
        );
        let debug = format!("{before:?} {:?}", Some(&before));
        content.conceal();
        assert_eq!(content.kind(), before.kind());
        for left in [stored(&content), debug, format!("{content:?}")] {
            assert!(
                !["secret", "52.5", "13.4", "later"]
                    .iter()
                    .any(|word| left.contains(word)),
                "{left}"
            );
        }
    }
    assert_eq!(
        format!("{:?}", Content::text("größer")),
        r#"Text of 6 characters {"body":"","mentions":[],"preview_links":true}"#
    );
}

#[test]
fn what_a_person_reads_first_is_the_text_that_policies_see() {
    for content in every_kind() {
        let has_text = matches!(content.kind(), "text" | "media" | "poll" | "edit");
        assert_eq!(
            content.body(),
            has_text.then_some("secret"),
            "{}",
            content.kind()
        );
    }
}

#[test]
fn what_retention_leaves_is_a_content() {
    let form: Value = serde_json::from_str(stored::REDACTED).expect("JSON");
    assert_eq!(restored(&form).expect("read"), Content::redacted());
    assert_eq!(stored(&Content::redacted()), stored::REDACTED);
}

#[test]
fn what_can_be_sent_is_what_a_caller_can_write() {
    let sendable: Vec<_> = every_kind()
        .iter()
        .filter(|content| content.can_be_sent())
        .map(Content::kind)
        .collect();
    assert_eq!(sendable, Content::sendable());
    let (mut fields, mut all) = (
        [CallFields::names(true), CallFields::names(false)].concat(),
        Content::kinds(),
    );
    all.retain(|kind| !matches!(*kind, "text" | "other"));
    fields.sort_unstable();
    all.sort_unstable();
    assert_eq!(fields, all);
    assert!(
        CallFields::names(true)
            .iter()
            .all(|name| sendable.contains(name))
    );
    let codes: Vec<_> = Content::codes().iter().map(|code| code.name).collect();
    let known = [
        "too_many_mentions",
        "invalid_mention",
        "mention_not_in_text",
        "invalid_location",
        "invalid_contact",
        "invalid_message_id",
    ];
    assert_eq!(codes, known, "callers decide by them");
}

/// A kind whose stored form has changed once: in version 1, `words` was called `text` and `loud`
/// did not exist.
#[derive(Clone, PartialEq)]
struct Note {
    words: String,
    loud: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Note")]
struct Note2 {
    words: String,
    #[serde(default)]
    loud: bool,
}

#[derive(Deserialize)]
struct Note1 {
    text: String,
}

impl From<Note1> for Note {
    fn from(Note1 { text }: Note1) -> Self {
        Self {
            words: text,
            loud: false,
        }
    }
}

impl Kind for Note {
    type Asked = NotYet;
    type Shown = ();
    kind::forms!(stored: 2 => Note2, 1 => Note1; bridge: Note2);

    fn body(&self) -> Option<&str> {
        Some(&self.words)
    }

    fn conceal(&mut self) {
        self.words.clear();
    }

    fn shown(&self) {}
}

#[test]
fn a_stored_form_that_changed_is_written_anew_and_read_in_each_of_its_versions() {
    let note = Note {
        words: "hi".into(),
        loud: true,
    };
    let form = note.store(serde_json::value::Serializer).expect("written");
    assert_eq!(
        (Note::STORED, &form),
        (2, &json!({"words": "hi", "loud": true}))
    );
    assert!(Note::restore(2, form.clone()).expect("read") == note);
    assert!(
        Note::restore(1, json!({"text": "hi"})).expect("read")
            == Note {
                loud: false,
                ..note
            }
    );
    for version in [0, 1, 3] {
        assert!(Note::restore(version, form.clone()).is_err(), "{version}");
    }
}
