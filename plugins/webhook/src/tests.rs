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
    let mut envelope = Envelope::new("evt_01k", NOON - 5000, kind, event);
    envelope.account = Some(Account::new(
        Some("15551234567@c.us".into()),
        Some("9@lid".into()),
        Some("Shop".into()),
    ));
    envelope.metadata = vec![("tenant".into(), "7".into())];
    envelope.gateway = "0.1.0".into();
    envelope
}

fn inbound() -> InboundMessage {
    let mut message = InboundMessage::new("3EB0AA", person(), NOON - 6500, Content::text("Hello"));
    message.push_name = Some("Ada".into());
    message
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
        Event::SessionState(SessionChange::new(SessionState::Loading, after, None)),
    )
}

fn qr() -> Envelope {
    envelope(
        "session.qr",
        Event::Qr(QrCode::new("2@abc".into(), NOON, 1)),
    )
}

fn failed(id: Option<&str>) -> Envelope {
    let failure = Failure::new(
        id.map(Into::into),
        "not_on_whatsapp".into(),
        "no account".into(),
        outbound(),
    );
    envelope("message.failed", Event::MessageFailed(failure))
}

fn acknowledged(level: AckLevel) -> Envelope {
    envelope(
        "message.ack",
        Event::MessageAck(Ack::new("3EB0AA".into(), person(), level)),
    )
}

fn sent() -> Envelope {
    envelope(
        "message.sent",
        Event::MessageSent(Sent::new("3EB0AA".into(), outbound())),
    )
}

fn other(kind: &str, json: &str) -> Envelope {
    envelope(
        kind,
        Event::Other(OtherEvent::new(kind.into(), json.into())),
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
