//! Tests of the body of a call: every field that clients of WAHA read is present, for each event
//! and each kind of message.

use serde_json::Value;
use wharf_plugin::{
    AckLevel, Address, Contact, Content, Delete, Edit, Location, Media, MediaKind, Notifier, Poll,
    Reaction, SessionState, Text,
    testing::{Host, json},
};

use super::{acknowledged, failed, inbound, other, received, sent, state, told, webhook};

#[test]
fn the_envelope_has_the_shape_of_waha() {
    let host = Host::new();
    let plugin = webhook(json!([{"name": "a", "url": "https://example.com/"}]));
    let request = plugin
        .request(&host.call("d1"), "a", &received(inbound()))
        .unwrap();
    let text = String::from_utf8(request.body).unwrap();
    assert!(
        text.starts_with(r#"{"id":"evt_01k","timestamp":1768478395000,"event":"message","session":"default","metadata":{"tenant":"7"},"me":"#),
        "{text}"
    );
    let body: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        body["me"],
        json!({"id": "15551234567@c.us", "lid": "9@lid", "pushName": "Shop"})
    );
    assert_eq!(body["engine"], "WEBJS");
    assert_eq!(body["environment"]["version"], "0.1.0");
    assert_eq!(body["replayed"], false);
    let mut unknown = received(inbound());
    unknown.account = None;
    assert_eq!(told(&["*"], &unknown).unwrap()["me"], Value::Null);
}

#[test]
fn a_received_message_has_every_field_of_waha() {
    let payload = &told(&["*"], &received(inbound())).unwrap()["payload"];
    assert_eq!(
        payload,
        &json!({
            "id": "false_4915123456789@c.us_3EB0AA", "timestamp": 1_768_478_393, "from": "4915123456789@c.us", "fromMe": false, "source": "app",
            "to": "15551234567@c.us", "participant": "", "author": null, "body": "Hello", "hasMedia": false, "media": null, "mediaUrl": "",
            "ack": 1, "ackName": "SERVER", "location": null, "vCards": [], "replyTo": null,
            "_data": {
                "type": "chat", "mentions": [], "notifyName": "Ada",
                "chat": {"id": "4915123456789@c.us", "pn": "4915123456789@c.us", "lid": null},
                "sender": {"id": "4915123456789@c.us", "pn": "4915123456789@c.us", "lid": null},
            },
        })
    );
}

#[test]
fn a_group_message_names_who_wrote_it() {
    let mut message = inbound();
    message.chat = Address::new("12036304@g.us");
    message.reply_to = Some("3EB0BB".into());
    let payload = &told(&["*"], &received(message)).unwrap()["payload"];
    assert_eq!(
        payload["id"],
        "false_12036304@g.us_3EB0AA_4915123456789@c.us"
    );
    assert_eq!(
        (&payload["from"], &payload["participant"]),
        (&json!("12036304@g.us"), &json!("4915123456789@c.us"))
    );
    assert_eq!(payload["replyTo"]["id"], "3EB0BB");
}

#[test]
fn own_messages_are_from_the_account() {
    let mut own = inbound();
    own.from_me = true;
    let payload = &told(&["*"], &received(own)).unwrap()["payload"];
    assert_eq!(
        (&payload["id"], &payload["from"], &payload["to"]),
        (
            &json!("true_4915123456789@c.us_3EB0AA"),
            &json!("15551234567@c.us"),
            &json!("4915123456789@c.us")
        )
    );
    let payload = &told(&["*"], &sent()).unwrap()["payload"];
    assert_eq!(
        (&payload["id"], &payload["source"], &payload["fromMe"]),
        (
            &json!("true_4915123456789@c.us_3EB0AA"),
            &json!("api"),
            &json!(true)
        )
    );
}

#[test]
fn files_and_places_are_described() {
    let mut message = inbound();
    let mut file = Media::new(MediaKind::Voice, "audio/ogg").caption("listen");
    file.size_bytes = 9;
    file.sha256 = vec![0xAB];
    message.content = Content::Media(file);
    let payload = &told(&["*"], &received(message.clone())).unwrap()["payload"];
    assert_eq!(
        (
            &payload["hasMedia"],
            &payload["body"],
            &payload["media"]["mimetype"]
        ),
        (&json!(true), &json!("listen"), &json!("audio/ogg"))
    );
    assert_eq!(
        (&payload["_data"]["type"], &payload["_data"]["sha256"]),
        (&json!("ptt"), &json!("ab"))
    );
    message.content = Content::Location(Location::new(52.5, -13.0));
    let payload = &told(&["*"], &received(message)).unwrap()["payload"];
    assert_eq!(
        payload["location"],
        json!({"latitude": "52.5", "longitude": "-13", "live": false, "name": null})
    );
}

#[test]
fn kinds_that_name_another_message_say_which() {
    let told_of = |content: Content| {
        let mut message = inbound();
        message.content = content;
        told(&["*"], &received(message)).unwrap()["payload"].clone()
    };
    let payload = told_of(Content::Reaction(Reaction::new("3EB0BB", "👍")));
    assert_eq!(
        (&payload["reaction"], &payload["body"]),
        (&json!({"text": "👍", "messageId": "3EB0BB"}), &json!(""))
    );
    let text = Text::new("better");
    let payload = told_of(Content::Edit(Edit::new("3EB0BB", text)));
    assert_eq!(
        (&payload["editedMessageId"], &payload["body"]),
        (&json!("3EB0BB"), &json!("better"))
    );
    let payload = told_of(Content::Delete(Delete::new("3EB0BB", true)));
    assert_eq!(
        (
            &payload["revokedMessageId"],
            &payload["_data"]["forEveryone"]
        ),
        (&json!("3EB0BB"), &json!(true))
    );
}

#[test]
fn cards_and_polls_are_described() {
    let mut message = inbound();
    message.content = Content::Contact(Contact::new("Ada", "BEGIN:VCARD"));
    let payload = &told(&["*"], &received(message.clone())).unwrap()["payload"];
    assert_eq!(
        (&payload["vCards"], &payload["_data"]["vcardFormattedName"]),
        (&json!(["BEGIN:VCARD"]), &json!("Ada"))
    );
    message.content = Content::Poll(Poll::new("When?", vec!["now".into(), "later".into()], 1));
    let payload = &told(&["*"], &received(message)).unwrap()["payload"];
    assert_eq!(
        payload["poll"],
        json!({"name": "When?", "options": ["now", "later"], "multipleAnswers": false})
    );
    assert_eq!(
        (&payload["body"], &payload["_data"]["type"]),
        (&json!("When?"), &json!("poll_creation"))
    );
}

#[test]
fn acknowledgements_have_wahas_numbers() {
    for (level, number, name) in [
        (AckLevel::Server, 1, "SERVER"),
        (AckLevel::Device, 2, "DEVICE"),
        (AckLevel::Read, 3, "READ"),
        (AckLevel::Played, 4, "PLAYED"),
    ] {
        let payload = &told(&["*"], &acknowledged(level)).unwrap()["payload"];
        assert_eq!(
            (&payload["ack"], &payload["ackName"]),
            (&json!(number), &json!(name))
        );
        assert_eq!(payload["id"], "true_4915123456789@c.us_3EB0AA");
    }
    let payload = &told(&["*"], &failed(Some("3EB0AA"))).unwrap()["payload"];
    assert_eq!(
        (
            &payload["ack"],
            &payload["ackName"],
            &payload["error"]["code"]
        ),
        (&json!(-1), &json!("ERROR"), &json!("not_on_whatsapp"))
    );
    assert_eq!(
        told(&["*"], &failed(None)).unwrap()["payload"]["id"],
        Value::Null
    );
}

#[test]
fn session_states_become_wahas_five() {
    for state_now in SessionState::ALL {
        let want = match state_now.as_str() {
            "disconnected" => "STOPPED",
            "loading" | "reconnecting" | "authenticated" => "STARTING",
            "qr_ready" => "SCAN_QR_CODE",
            "ready" => "WORKING",
            "auth_failure" | "error" | "max_reconnect_exceeded" => "FAILED",
            other => panic!("{other}"),
        };
        let payload = &told(&["*"], &state(state_now.clone())).unwrap()["payload"];
        assert_eq!(
            (
                &payload["status"],
                &payload["state"],
                &payload["previousState"]
            ),
            (&json!(want), &json!(state_now.as_str()), &json!("loading"))
        );
        assert_eq!(
            (&payload["name"], &payload["statuses"][0]["status"]),
            (&json!("default"), &json!(want))
        );
    }
}

#[test]
fn unmodelled_events_pass_through() {
    assert_eq!(
        told(&["*"], &other("call.received", r#"{"from":"1@c.us"}"#)).unwrap()["payload"],
        json!({"from": "1@c.us"})
    );
    assert_eq!(
        told(&["*"], &other("call.received", "no json")).unwrap()["payload"],
        json!({"text": "no json"})
    );
}
