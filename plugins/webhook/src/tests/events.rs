//! Tests of which target gets which event, and under which name.

use wharf_plugin::{
    AckLevel, Envelope, Notifier, SessionState,
    testing::{Host, json},
};

use super::{NOON, acknowledged, failed, inbound, other, qr, received, sent, state, told, webhook};

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
        (
            &["message.any", "message"],
            &received(inbound()),
            Some("message"),
        ),
        (
            &["message.received"],
            &received(inbound()),
            Some("message.received"),
        ),
        (&["message"], &own, None),
        (&["message.any"], &own, Some("message.any")),
        (&["message"], &sent(), None),
        (&["message.any"], &sent(), Some("message.any")),
        (&["message.sent"], &sent(), Some("message.sent")),
        (&["*"], &failed(Some("3EB0")), Some("message.ack")),
        (&["*"], &failed(None), Some("message.failed")),
        (
            &["message.failed"],
            &failed(Some("3EB0")),
            Some("message.failed"),
        ),
        (&["message.ack"], &failed(None), None),
        (
            &["message.*"],
            &acknowledged(AckLevel::Read),
            Some("message.ack"),
        ),
        (
            &["session.status"],
            &state(SessionState::Ready),
            Some("session.status"),
        ),
        (
            &["session.state"],
            &state(SessionState::Ready),
            Some("session.state"),
        ),
        (
            &["session.*"],
            &state(SessionState::Ready),
            Some("session.status"),
        ),
        (
            &["chat.archive"],
            &other("chat.archive", "{}"),
            Some("chat.archive"),
        ),
        (&["message"], &other("chat.archive", "{}"), None),
        (&[], &sent(), None),
    ] {
        assert_eq!(
            name(events, envelope).as_deref(),
            want,
            "{events:?} {}",
            envelope.kind
        );
    }
}

#[test]
fn what_links_a_phone_goes_only_where_it_is_asked_for_by_name() {
    let code = other("session.pairing_code", r#"{"code":"ABCD-1234"}"#);
    for wildcard in ["*", "session.*", "session.pairing_cod*"] {
        assert_eq!(told(&[wildcard], &code), None, "{wildcard}");
    }
    assert_eq!(
        told(&["session.pairing_code"], &code).unwrap()["event"],
        "session.pairing_code"
    );
    assert_eq!(told(&["*", "session.*"], &qr()), None);
    assert_eq!(
        told(&["session.qr"], &qr()).unwrap()["payload"],
        json!({"qr": "2@abc", "expiresAt": NOON})
    );
}

#[test]
fn targets_hear_of_their_sessions_alone() {
    let host = Host::new();
    let plugin = webhook(json!([
        {"name": "all", "url": "https://example.com/1"},
        {"name": "shops", "url": "https://example.com/2", "sessions": ["shop-*"]},
        {"name": "acks", "url": "https://example.com/3", "events": ["message.ack"]},
    ]));
    let at = |session: &str| {
        let mut ctx = host.call("e");
        ctx.session = session.into();
        ctx
    };
    assert_eq!(
        plugin.route(&at("shop-1"), &sent()).unwrap(),
        ["all", "shops"]
    );
    assert_eq!(plugin.route(&at("home"), &sent()).unwrap(), ["all"]);
    assert_eq!(
        plugin
            .route(&at("home"), &acknowledged(AckLevel::Read))
            .unwrap(),
        ["all", "acks"]
    );
}
