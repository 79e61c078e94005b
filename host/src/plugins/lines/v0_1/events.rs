//! Conversions of events to the line 0.1.

use serde_json::json;

use super::{
    bindings::exports::wharf::plugin::event_notification::{
        Account, Ack, AckLevel, Envelope, Event, Failure, OtherEvent, QrCode, Sent, SessionChange,
        SessionState,
    },
    now_events,
};

/// The event as a plugin of this line sees it. `untyped` is the event as `other`, in the form that
/// this line has always had for events which it does not model.
pub(super) fn envelope(
    envelope: &now_events::Envelope,
    untyped: Option<&now_events::OtherEvent>,
) -> Envelope {
    let account = envelope.account.as_ref();
    Envelope {
        id: envelope.id.clone(),
        at: envelope.at,
        kind: envelope.kind.clone(),
        account: account.map(|me| Account {
            pn: me.pn.clone(),
            lid: me.lid.clone(),
            push_name: me.push_name.clone(),
        }),
        metadata: envelope.metadata.clone(),
        gateway: envelope.gateway.clone(),
        replayed: envelope.replayed,
        event: event(envelope, untyped),
    }
}

fn event(envelope: &now_events::Envelope, untyped: Option<&now_events::OtherEvent>) -> Event {
    match &envelope.event {
        now_events::Event::SessionState(change) => session_change(change),
        now_events::Event::Qr(qr) => Event::Qr(QrCode {
            code: qr.code.clone(),
            expires_at: qr.expires_at,
        }),
        now_events::Event::MessageSent(sent) => Event::MessageSent(Sent {
            id: sent.id.clone(),
            message: (&sent.message).into(),
        }),
        now_events::Event::MessageFailed(failure) => Event::MessageFailed(Failure {
            id: failure.id.clone(),
            code: failure.code.clone(),
            reason: failure.reason.clone(),
            message: (&failure.message).into(),
        }),
        now_events::Event::MessageAck(ack) => Event::MessageAck(Ack {
            id: ack.id.clone(),
            chat: (&ack.chat).into(),
            level: match ack.level {
                now_events::AckLevel::Server => AckLevel::Server,
                now_events::AckLevel::Device => AckLevel::Device,
                now_events::AckLevel::Read => AckLevel::Read,
                now_events::AckLevel::Played => AckLevel::Played,
            },
        }),
        now_events::Event::MessageReceived(message) => Event::MessageReceived(message.into()),
        now_events::Event::MessageUnknown(_)
        | now_events::Event::PairingCode(_)
        | now_events::Event::Passkey(_)
        | now_events::Event::Notices(_)
        | now_events::Event::Relinked(_)
        | now_events::Event::Restriction(_)
        | now_events::Event::Quarantine(_)
        | now_events::Event::BridgeFault(_)
        | now_events::Event::Other(_) => Event::Other(OtherEvent {
            kind: envelope.kind.clone(),
            json: untyped.map_or_else(|| "{}".to_owned(), |event| event.json.clone()),
        }),
    }
}

/// A change between states of this line, or an `other` when one of the two is newer.
fn session_change(change: &now_events::SessionChange) -> Event {
    match (state(&change.before), state(&change.after)) {
        (Ok(before), Ok(after)) => Event::SessionState(SessionChange {
            before,
            after,
            reason: change.reason.clone(),
        }),
        (before, after) => Event::Other(OtherEvent {
            kind: "session.state".into(),
            json: json!({
                "before": before.map_or_else(str::to_owned, name),
                "after": after.map_or_else(str::to_owned, name),
                "reason": change.reason,
            })
            .to_string(),
        }),
    }
}

/// The state as this line has it; the name of a state that it does not have.
fn state(state: &now_events::SessionState) -> Result<SessionState, &str> {
    Ok(match state {
        now_events::SessionState::Disconnected => SessionState::Disconnected,
        now_events::SessionState::Loading => SessionState::Loading,
        now_events::SessionState::QrReady => SessionState::QrReady,
        now_events::SessionState::Authenticated => SessionState::Authenticated,
        now_events::SessionState::Ready => SessionState::Ready,
        now_events::SessionState::Reconnecting => SessionState::Reconnecting,
        now_events::SessionState::AuthFailure => SessionState::AuthFailure,
        now_events::SessionState::Error => SessionState::Error,
        now_events::SessionState::MaxReconnectExceeded => SessionState::MaxReconnectExceeded,
        now_events::SessionState::Other(name) => return Err(name),
    })
}

/// The name of a state in the gateway's API.
fn name(state: SessionState) -> String {
    let name = match state {
        SessionState::Disconnected => "disconnected",
        SessionState::Loading => "loading",
        SessionState::QrReady => "qr_ready",
        SessionState::Authenticated => "authenticated",
        SessionState::Ready => "ready",
        SessionState::Reconnecting => "reconnecting",
        SessionState::AuthFailure => "auth_failure",
        SessionState::Error => "error",
        SessionState::MaxReconnectExceeded => "max_reconnect_exceeded",
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_this_line_does_not_have_arrives_with_its_name() {
        let change = |after| now_events::SessionChange {
            before: now_events::SessionState::QrReady,
            after,
            reason: Some("why".into()),
        };
        assert!(matches!(
            session_change(&change(now_events::SessionState::Ready)),
            Event::SessionState(SessionChange {
                before: SessionState::QrReady,
                after: SessionState::Ready,
                ..
            })
        ));
        let Event::Other(other) =
            session_change(&change(now_events::SessionState::Other("paused".into())))
        else {
            panic!("this line has no such state");
        };
        assert_eq!(other.kind, "session.state");
        let json: serde_json::Value = serde_json::from_str(&other.json).expect("JSON");
        assert_eq!(
            json,
            json!({"before": "qr_ready", "after": "paused", "reason": "why"})
        );
    }
}
