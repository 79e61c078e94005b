//! The plugin as the gateway uses it: events in, calls out.

use serde_json::Value;
use wharf_plugin::{
    Account, Ack, AckLevel, Address, AttemptResult, CallContext, ConfigIssue, Contact, Content, Delete, Edit, Envelope, Error, Event, Failure,
    HttpResponse, InboundMessage, Judgement, Location, Media, MediaKind, Notifier, OtherEvent, OutboundMessage, Poll, QrCode, Reaction, Sent,
    SessionChange, SessionState, Text,
    testing::{Host, configure, json},
};

use crate::Webhook;

/// 2026-01-15 12:00 UTC, where the host's clock stands.
const NOON: u64 = 1_768_478_400_000;

fn webhook(targets: Value) -> Webhook {
    configure(json!({"targets": targets})).expect("a good configuration")
}

fn issue_paths(targets: Value) -> Vec<String> {
    let issues: Vec<ConfigIssue> = configure::<Webhook>(json!({"targets": targets})).expect_err("a bad configuration");
    issues.into_iter().map(|issue| issue.path).collect()
}

fn person() -> Address {
    Address::of_number("4915123456789")
}

fn envelope(kind: &str, event: Event) -> Envelope {
    Envelope {
        id: "evt_01k".into(),
        at: NOON - 5000,
        kind: kind.into(),
        account: Some(Account { pn: Some("15551234567@c.us".into()), lid: Some("9@lid".into()), push_name: Some("Shop".into()) }),
        metadata: vec![("tenant".into(), "7".into())],
        gateway: "0.1.0".into(),
        replayed: false,
        event,
    }
}

fn inbound() -> InboundMessage {
    InboundMessage {
        id: "3EB0AA".into(),
        chat: person(),
        sender: person(),
        from_me: false,
        push_name: Some("Ada".into()),
        sent_at: NOON - 6500,
        content: Content::text("Hello"),
        reply_to: None,
    }
}

fn received(message: InboundMessage) -> Envelope {
    envelope("message.received", Event::MessageReceived(message))
}

fn outbound() -> OutboundMessage {
    OutboundMessage::new(person(), Content::text("Hi"))
}

fn state(after: SessionState) -> Envelope {
    envelope("session.state", Event::SessionState(SessionChange { before: SessionState::Loading, after, reason: None }))
}

fn qr() -> Envelope {
    envelope("session.qr", Event::Qr(QrCode { code: "2@abc".into(), expires_at: NOON }))
}

fn failed(id: Option<&str>) -> Envelope {
    let failure = Failure { id: id.map(Into::into), code: "not_on_whatsapp".into(), reason: "no account".into(), message: outbound() };
    envelope("message.failed", Event::MessageFailed(failure))
}

fn acknowledged(level: AckLevel) -> Envelope {
    envelope("message.ack", Event::MessageAck(Ack { id: "3EB0AA".into(), chat: person(), level }))
}

fn sent() -> Envelope {
    envelope("message.sent", Event::MessageSent(Sent { id: "3EB0AA".into(), message: outbound() }))
}

fn other(kind: &str, json: &str) -> Envelope {
    envelope(kind, Event::Other(OtherEvent { kind: kind.into(), json: json.into() }))
}

/// The body a target that wants `events` gets.
fn told(events: &[&str], envelope: &Envelope) -> Option<Value> {
    let host = Host::new();
    let plugin = webhook(json!([{"name": "a", "url": "https://example.com/", "events": events}]));
    let ctx = host.call("d1");
    let targets = plugin.route(&ctx, envelope).unwrap();
    let target = targets.first()?;
    let body = serde_json::from_slice(&plugin.request(&ctx, target, envelope).unwrap().body).unwrap();
    crate::schema::check(&body);
    Some(body)
}

fn name(events: &[&str], envelope: &Envelope) -> Option<String> {
    told(events, envelope).map(|body| body["event"].as_str().unwrap().to_owned())
}

#[test]
fn events_have_the_names_waha_clients_expect() {
    let mut own = inbound();
    own.from_me = true;
    let own = received(own);
    for (events, envelope, want) in [
        (&["*"][..], &received(inbound()), Some("message")),
        (&["message"], &received(inbound()), Some("message")),
        (&["message.any"], &received(inbound()), Some("message.any")),
        (&["message.any", "message"], &received(inbound()), Some("message")),
        (&["message.received"], &received(inbound()), Some("message.received")),
        (&["message"], &own, None),
        (&["message.any"], &own, Some("message.any")),
        (&["message"], &sent(), None),
        (&["message.any"], &sent(), Some("message.any")),
        (&["message.sent"], &sent(), Some("message.sent")),
        (&["*"], &failed(Some("3EB0")), Some("message.ack")),
        (&["*"], &failed(None), Some("message.failed")),
        (&["message.failed"], &failed(Some("3EB0")), Some("message.failed")),
        (&["message.ack"], &failed(None), None),
        (&["message.*"], &acknowledged(AckLevel::Read), Some("message.ack")),
        (&["session.status"], &state(SessionState::Ready), Some("session.status")),
        (&["session.state"], &state(SessionState::Ready), Some("session.state")),
        (&["session.*"], &state(SessionState::Ready), Some("session.status")),
        (&["chat.archive"], &other("chat.archive", "{}"), Some("chat.archive")),
        (&["message"], &other("chat.archive", "{}"), None),
        (&[], &sent(), None),
    ] {
        assert_eq!(name(events, envelope).as_deref(), want, "{events:?} {}", envelope.kind);
    }
}

#[test]
fn a_pairing_code_goes_only_where_it_is_asked_for_by_name() {
    assert_eq!(told(&["*", "session.*"], &qr()), None);
    assert_eq!(told(&["session.qr"], &qr()).unwrap()["payload"], json!({"qr": "2@abc", "expiresAt": NOON}));
}

#[test]
fn the_envelope_has_the_shape_of_waha() {
    let host = Host::new();
    let plugin = webhook(json!([{"name": "a", "url": "https://example.com/"}]));
    let request = plugin.request(&host.call("d1"), "a", &received(inbound())).unwrap();
    let text = String::from_utf8(request.body).unwrap();
    assert!(
        text.starts_with(r#"{"id":"evt_01k","timestamp":1768478395000,"event":"message","session":"default","metadata":{"tenant":"7"},"me":"#),
        "{text}"
    );
    let body: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(body["me"], json!({"id": "15551234567@c.us", "lid": "9@lid", "pushName": "Shop"}));
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
    message.chat = Address { chat: "12036304@g.us".into(), pn: None, lid: None };
    message.reply_to = Some("3EB0BB".into());
    let payload = &told(&["*"], &received(message)).unwrap()["payload"];
    assert_eq!(payload["id"], "false_12036304@g.us_3EB0AA_4915123456789@c.us");
    assert_eq!((&payload["from"], &payload["participant"]), (&json!("12036304@g.us"), &json!("4915123456789@c.us")));
    assert_eq!(payload["replyTo"]["id"], "3EB0BB");
}

#[test]
fn own_messages_are_from_the_account() {
    let mut own = inbound();
    own.from_me = true;
    let payload = &told(&["*"], &received(own)).unwrap()["payload"];
    assert_eq!(
        (&payload["id"], &payload["from"], &payload["to"]),
        (&json!("true_4915123456789@c.us_3EB0AA"), &json!("15551234567@c.us"), &json!("4915123456789@c.us"))
    );
    let payload = &told(&["*"], &sent()).unwrap()["payload"];
    assert_eq!((&payload["id"], &payload["source"], &payload["fromMe"]), (&json!("true_4915123456789@c.us_3EB0AA"), &json!("api"), &json!(true)));
}

#[test]
fn files_and_places_are_described() {
    let mut message = inbound();
    message.content = Content::Media(Media {
        kind: MediaKind::Voice,
        mime_type: "audio/ogg".into(),
        size_bytes: 9,
        sha256: vec![0xAB],
        file_name: None,
        caption: Some("listen".into()),
    });
    let payload = &told(&["*"], &received(message.clone())).unwrap()["payload"];
    assert_eq!((&payload["hasMedia"], &payload["body"], &payload["media"]["mimetype"]), (&json!(true), &json!("listen"), &json!("audio/ogg")));
    assert_eq!((&payload["_data"]["type"], &payload["_data"]["sha256"]), (&json!("ptt"), &json!("ab")));
    message.content = Content::Location(Location { latitude: 52.5, longitude: -13.0, name: None });
    let payload = &told(&["*"], &received(message)).unwrap()["payload"];
    assert_eq!(payload["location"], json!({"latitude": "52.5", "longitude": "-13", "live": false, "name": null}));
}

#[test]
fn kinds_that_name_another_message_say_which() {
    let told_of = |content: Content| {
        let mut message = inbound();
        message.content = content;
        told(&["*"], &received(message)).unwrap()["payload"].clone()
    };
    let target = || "3EB0BB".to_owned();
    let payload = told_of(Content::Reaction(Reaction { target: target(), emoji: "👍".into() }));
    assert_eq!((&payload["reaction"], &payload["body"]), (&json!({"text": "👍", "messageId": "3EB0BB"}), &json!("")));
    let text = Text { body: "better".into(), ..Text::default() };
    let payload = told_of(Content::Edit(Edit { target: target(), text }));
    assert_eq!((&payload["editedMessageId"], &payload["body"]), (&json!("3EB0BB"), &json!("better")));
    let payload = told_of(Content::Delete(Delete { target: target(), for_everyone: true }));
    assert_eq!((&payload["revokedMessageId"], &payload["_data"]["forEveryone"]), (&json!("3EB0BB"), &json!(true)));
}

#[test]
fn cards_and_polls_are_described() {
    let mut message = inbound();
    message.content = Content::Contact(Contact { display_name: "Ada".into(), vcard: "BEGIN:VCARD".into() });
    let payload = &told(&["*"], &received(message.clone())).unwrap()["payload"];
    assert_eq!((&payload["vCards"], &payload["_data"]["vcardFormattedName"]), (&json!(["BEGIN:VCARD"]), &json!("Ada")));
    message.content = Content::Poll(Poll { question: "When?".into(), options: vec!["now".into(), "later".into()], selectable: 1 });
    let payload = &told(&["*"], &received(message)).unwrap()["payload"];
    assert_eq!(payload["poll"], json!({"name": "When?", "options": ["now", "later"], "multipleAnswers": false}));
    assert_eq!((&payload["body"], &payload["_data"]["type"]), (&json!("When?"), &json!("poll_creation")));
}

#[test]
fn acknowledgements_have_wahas_numbers() {
    for (level, number, name) in
        [(AckLevel::Server, 1, "SERVER"), (AckLevel::Device, 2, "DEVICE"), (AckLevel::Read, 3, "READ"), (AckLevel::Played, 4, "PLAYED")]
    {
        let payload = &told(&["*"], &acknowledged(level)).unwrap()["payload"];
        assert_eq!((&payload["ack"], &payload["ackName"]), (&json!(number), &json!(name)));
        assert_eq!(payload["id"], "true_4915123456789@c.us_3EB0AA");
    }
    let payload = &told(&["*"], &failed(Some("3EB0AA"))).unwrap()["payload"];
    assert_eq!((&payload["ack"], &payload["ackName"], &payload["error"]["code"]), (&json!(-1), &json!("ERROR"), &json!("not_on_whatsapp")));
    assert_eq!(told(&["*"], &failed(None)).unwrap()["payload"]["id"], Value::Null);
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
        let payload = &told(&["*"], &state(state_now)).unwrap()["payload"];
        assert_eq!((&payload["status"], &payload["state"], &payload["previousState"]), (&json!(want), &json!(state_now.as_str()), &json!("loading")));
        assert_eq!((&payload["name"], &payload["statuses"][0]["status"]), (&json!("default"), &json!(want)));
    }
}

#[test]
fn unmodelled_events_pass_through() {
    assert_eq!(told(&["*"], &other("call.received", r#"{"from":"1@c.us"}"#)).unwrap()["payload"], json!({"from": "1@c.us"}));
    assert_eq!(told(&["*"], &other("call.received", "no json")).unwrap()["payload"], json!({"text": "no json"}));
}

#[test]
fn targets_hear_of_their_sessions_alone() {
    let host = Host::new();
    let plugin = webhook(json!([
        {"name": "all", "url": "https://example.com/1"},
        {"name": "shops", "url": "https://example.com/2", "sessions": ["shop-*"]},
        {"name": "acks", "url": "https://example.com/3", "events": ["message.ack"]},
    ]));
    let at = |session: &str| CallContext { session: session.into(), ..host.call("e") };
    assert_eq!(plugin.route(&at("shop-1"), &sent()).unwrap(), ["all", "shops"]);
    assert_eq!(plugin.route(&at("home"), &sent()).unwrap(), ["all"]);
    assert_eq!(plugin.route(&at("home"), &acknowledged(AckLevel::Read)).unwrap(), ["all", "acks"]);
}

#[test]
fn the_call_is_signed_over_the_bytes_it_sends() {
    let host = Host::new();
    host.set_secret("HMAC_KEY", "my-secret-key");
    host.set_secret("TOKEN", "Bearer x");
    let plugin = webhook(json!([{
        "name": "a", "url": "https://example.com/hook", "hmac_secret": "HMAC_KEY", "timeout_seconds": 20,
        "headers": {"X-Source": "wharf"}, "secret_headers": {"Authorization": "TOKEN"},
    }]));
    let ctx = CallContext { traceparent: "00-a-b-01".into(), attempt: 2, ..host.call("d1") };
    let request = plugin.request(&ctx, "a", &sent()).unwrap();
    assert_eq!((request.method.as_str(), request.url.as_str(), request.timeout_ms), ("POST", "https://example.com/hook", Some(20_000)));
    let signature = crate::sign::hmac_sha512(b"my-secret-key", &request.body);
    let want = [
        ("X-Source", "wharf"),
        ("Authorization", "Bearer x"),
        ("Content-Type", "application/json"),
        ("X-Webhook-Request-Id", "d1"),
        ("X-Webhook-Timestamp", "1768478400000"),
        ("X-Webhook-Hmac", &signature),
        ("X-Webhook-Hmac-Algorithm", "sha512"),
        ("traceparent", "00-a-b-01"),
    ];
    assert_eq!(request.headers, want.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let again = plugin.request(&CallContext { attempt: 3, now: NOON + 60_000, ..ctx }, "a", &sent()).unwrap();
    assert_eq!(again.body, request.body, "the body is the same on every attempt");
}

#[test]
fn a_missing_secret_stops_the_call() {
    let host = Host::new();
    for target in [
        json!({"name": "a", "url": "https://e.com/", "hmac_secret": "K"}),
        json!({"name": "a", "url": "https://e.com/", "secret_headers": {"A": "K"}}),
    ] {
        let answer = webhook(json!([target])).request(&host.call("d1"), "a", &sent());
        assert!(matches!(&answer, Err(Error::NotGranted(why)) if why.contains("\"K\"")), "{answer:?}");
    }
}

#[test]
fn a_target_that_is_gone_is_invalid_input() {
    let host = Host::new();
    let plugin = webhook(json!([]));
    assert!(matches!(plugin.request(&host.call("d1"), "a", &sent()), Err(Error::InvalidInput(_))));
    assert!(matches!(plugin.judge(&host.call("d1"), "a", &AttemptResult::Unreachable(String::new())), Err(Error::InvalidInput(_))));
}

#[test]
fn each_target_has_its_own_retries() {
    let host = Host::new();
    let plugin = webhook(json!([
        {"name": "a", "url": "https://e.com/"},
        {"name": "b", "url": "https://e.com/", "retry": {"policy": "constant", "delay_seconds": 7, "attempts": 2}},
    ]));
    let down = AttemptResult::Answered(HttpResponse { status: 503, ..HttpResponse::default() });
    assert_eq!(plugin.judge(&host.call("d1"), "a", &down), Ok(Judgement::RetryAfter(2000)));
    assert_eq!(plugin.judge(&host.call("d1"), "b", &down), Ok(Judgement::RetryAfter(7000)));
}

#[test]
fn what_the_schema_cannot_say_is_checked() {
    assert_eq!(
        issue_paths(json!([{"name": "a", "url": "https://e.com"}, {"name": "a", "url": "ftp://e.com"}])),
        ["/targets/1/name", "/targets/1/url"]
    );
    for url in ["https://", "https:///x", "http://user:pw@e.com/", "https://e.com/a b", "e.com", "https://:80/"] {
        assert_eq!(issue_paths(json!([{"name": "a", "url": url}])), ["/targets/0/url"], "{url}");
    }
    let headers = json!({"Content-Type": "x", "x-webhook-hmac": "x", "a b": "x", "X-Ok": "line\nbreak"});
    let want = ["/targets/0/headers/Content-Type", "/targets/0/headers/a b", "/targets/0/headers/x-webhook-hmac", "/targets/0/headers/X-Ok"];
    assert_eq!(issue_paths(json!([{"name": "a", "url": "https://e.com", "headers": headers}])), want);
    let retry = json!({"attempts": 0, "delay_seconds": 9, "max_delay_seconds": 8});
    assert_eq!(
        issue_paths(json!([{"name": "a", "url": "https://e.com", "retry": retry}])),
        ["/targets/0/retry/attempts", "/targets/0/retry/delay_seconds"]
    );
    assert_eq!(issue_paths(json!([{"name": "a", "url": "https://e.com", "event": []}])).len(), 1);
}
