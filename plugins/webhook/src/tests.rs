//! The plugin as the gateway uses it: events in, calls out.

mod bodies;
mod calls;
mod events;
mod issues;

use serde_json::Value;
use wharf_plugin::{
    Account, Ack, AckLevel, Address, Content, Envelope, Event, Failure, InboundMessage, Notifier,
    OtherEvent, OutboundMessage, QrCode, Sent, SessionChange, SessionState,
    testing::{Host, configure, json},
};

use crate::Webhook;

/// 2026-01-15 12:00 UTC, where the host's clock stands.
const NOON: u64 = 1_768_478_400_000;

fn webhook(targets: Value) -> Webhook {
    configure(json!({"targets": targets})).expect("a good configuration")
}

fn person() -> Address {
    Address::of_number("4915123456789")
}

fn envelope(kind: &str, event: Event) -> Envelope {
    Envelope {
        id: "evt_01k".into(),
        at: NOON - 5000,
        kind: kind.into(),
        account: Some(Account {
            pn: Some("15551234567@c.us".into()),
            lid: Some("9@lid".into()),
            push_name: Some("Shop".into()),
        }),
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
    envelope(
        "session.state",
        Event::SessionState(SessionChange {
            before: SessionState::Loading,
            after,
            reason: None,
        }),
    )
}

fn qr() -> Envelope {
    envelope(
        "session.qr",
        Event::Qr(QrCode {
            code: "2@abc".into(),
            expires_at: NOON,
        }),
    )
}

fn failed(id: Option<&str>) -> Envelope {
    let failure = Failure {
        id: id.map(Into::into),
        code: "not_on_whatsapp".into(),
        reason: "no account".into(),
        message: outbound(),
    };
    envelope("message.failed", Event::MessageFailed(failure))
}

fn acknowledged(level: AckLevel) -> Envelope {
    envelope(
        "message.ack",
        Event::MessageAck(Ack {
            id: "3EB0AA".into(),
            chat: person(),
            level,
        }),
    )
}

fn sent() -> Envelope {
    envelope(
        "message.sent",
        Event::MessageSent(Sent {
            id: "3EB0AA".into(),
            message: outbound(),
        }),
    )
}

fn other(kind: &str, json: &str) -> Envelope {
    envelope(
        kind,
        Event::Other(OtherEvent {
            kind: kind.into(),
            json: json.into(),
        }),
    )
}

/// The body that a target with these `events` gets.
fn told(events: &[&str], envelope: &Envelope) -> Option<Value> {
    let host = Host::new();
    let plugin = webhook(json!([{"name": "a", "url": "https://example.com/", "events": events}]));
    let ctx = host.call("d1");
    let targets = plugin.route(&ctx, envelope).unwrap();
    let target = targets.first()?;
    let body =
        serde_json::from_slice(&plugin.request(&ctx, target, envelope).unwrap().body).unwrap();
    crate::schema::check(&body);
    Some(body)
}
