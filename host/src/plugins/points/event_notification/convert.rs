//! The event as a notifier gets it.
//!
//! Events that are stored as a report are JSON in the gateway; the contract has a type for each that
//! existed when its line began. A report that cannot be read as this type, such as one that an
//! earlier version of the gateway has stored, is passed on as `other`.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::bindings::exports::wharf::plugin::event_notification::{self as wit, Event as Wit};
use crate::{
    model::{
        Account, AckLevel, BridgeFault, Envelope, Event, InboundMessage, MessageUnknown,
        OutboundMessage, PairingCodeShown, PluginQuarantined, Relinked, Report, RestrictionChanged,
        SessionNotices, SessionState, Timestamp,
    },
    plugins::{
        bindings::wharf::plugin::messages,
        convert::{same, time},
    },
};

/// An event for a plugin of whichever line.
pub(super) struct Converted {
    pub(super) envelope: wit::Envelope,
    /// The event as `other`, for lines that do not model it; none for those that every line models.
    pub(super) untyped: Option<wit::OtherEvent>,
}

/// The event as plugins see it. Unless `bodies`, everything that people wrote is removed.
pub(super) fn converted(
    envelope: &Envelope,
    metadata: &[(String, String)],
    bodies: bool,
) -> Converted {
    let untyped = untyped(&envelope.event);
    let event = match &untyped {
        Some(report) => {
            typed(&envelope.event, report).unwrap_or_else(|| Wit::Other(report.clone()))
        }
        None => event(&envelope.event, bodies),
    };
    Converted {
        envelope: wit::Envelope {
            id: envelope.id.0.clone(),
            at: time(envelope.at),
            kind: envelope.event.kind().to_owned(),
            account: envelope.account.as_ref().map(Into::into),
            metadata: metadata.to_vec(),
            gateway: env!("CARGO_PKG_VERSION").to_owned(),
            replayed: envelope.replayed,
            event,
            extra: vec![],
        },
        untyped,
    }
}

/// The name and the JSON of an event that not every line models.
fn untyped(event: &Event) -> Option<wit::OtherEvent> {
    let json = match event {
        Event::PairingCode {
            code,
            expires_at,
            attempt,
        } => serde_json::to_string(&PairingCodeShown {
            code: code.clone(),
            expires_at: *expires_at,
            attempt: *attempt,
        })
        .unwrap_or_default(),
        Event::Other { json, .. } => json.clone(),
        _ => return None,
    };
    Some(wit::OtherEvent {
        kind: event.kind().to_owned(),
        json,
    })
}

/// An event that not every line models, as the present one does.
fn typed(event: &Event, report: &wit::OtherEvent) -> Option<Wit> {
    fn read<T: DeserializeOwned, U: From<T>>(json: &str) -> Option<U> {
        Some(serde_json::from_str::<T>(json).ok()?.into())
    }
    if let Event::PairingCode {
        code,
        expires_at,
        attempt,
    } = event
    {
        return Some(Wit::PairingCode(wit::PairingCode {
            code: code.clone(),
            expires_at: time(*expires_at),
            attempt: *attempt,
        }));
    }
    let json = &report.json;
    Some(match &*report.kind {
        BridgeFault::KIND => Wit::BridgeFault(read::<BridgeFault, _>(json)?),
        MessageUnknown::KIND => Wit::MessageUnknown(read::<MessageUnknown, _>(json)?),
        PluginQuarantined::KIND => Wit::Quarantine(read::<PluginQuarantined, _>(json)?),
        SessionNotices::KIND => Wit::Notices(read::<SessionNotices, _>(json)?),
        Relinked::KIND => Wit::Relinked(read::<Relinked, _>(json)?),
        RestrictionChanged::KIND => Wit::Restriction(read::<RestrictionChanged, _>(json)?),
        PASSKEY => Wit::Passkey(read::<Passkey, _>(json)?),
        _ => return None,
    })
}

/// An event that every line models.
fn event(event: &Event, bodies: bool) -> Wit {
    match event {
        Event::SessionState {
            before,
            after,
            reason,
        } => Wit::SessionState(wit::SessionChange {
            before: (*before).into(),
            after: (*after).into(),
            reason: reason.clone(),
        }),
        Event::Qr {
            code,
            expires_at,
            attempt,
        } => Wit::Qr(wit::QrCode {
            code: code.clone(),
            expires_at: time(*expires_at),
            attempt: *attempt,
        }),
        Event::MessageSent { id, message } => Wit::MessageSent(wit::Sent {
            id: id.0.clone(),
            message: outbound(message, bodies),
        }),
        Event::MessageFailed {
            id,
            code,
            reason,
            message,
        } => Wit::MessageFailed(wit::Failure {
            id: Some(id.0.clone()),
            code: code.clone(),
            reason: reason.clone(),
            message: outbound(message, bodies),
        }),
        Event::MessageAck { id, chat, level } => Wit::MessageAck(wit::Ack {
            id: id.0.clone(),
            chat: chat.into(),
            level: (*level).into(),
        }),
        Event::MessageReceived(message) => Wit::MessageReceived(inbound(message, bodies)),
        // These two have an untyped form.
        Event::PairingCode { .. } | Event::Other { .. } => Wit::Other(wit::OtherEvent {
            kind: event.kind().to_owned(),
            json: "{}".to_owned(),
        }),
    }
}

fn outbound(message: &OutboundMessage, bodies: bool) -> messages::OutboundMessage {
    if bodies {
        return message.into();
    }
    let mut message = message.clone();
    message.content.conceal();
    (&message).into()
}

fn inbound(message: &InboundMessage, bodies: bool) -> messages::InboundMessage {
    if bodies {
        return message.into();
    }
    let mut message = message.clone();
    message.content.conceal();
    (&message).into()
}

same!(AckLevel, wit::AckLevel, Server, Device, Read, Played);
same!(
    SessionState,
    wit::SessionState,
    Disconnected,
    Loading,
    QrReady,
    Authenticated,
    Ready,
    Reconnecting,
    AuthFailure,
    Error,
    MaxReconnectExceeded
);

impl From<&Account> for wit::Account {
    fn from(account: &Account) -> Self {
        Self {
            pn: account.pn.clone(),
            lid: account.lid.clone(),
            push_name: account.push_name.clone(),
        }
    }
}

impl From<BridgeFault> for wit::BridgeFault {
    fn from(fault: BridgeFault) -> Self {
        Self {
            place: fault.place,
            error: fault.error,
            count: fault.count,
            since: time(fault.since),
        }
    }
}

impl From<MessageUnknown> for wit::UnknownOutcome {
    fn from(unknown: MessageUnknown) -> Self {
        Self {
            id: unknown.id.0,
            reason: unknown.reason,
            to: (&unknown.to).into(),
            is_final: unknown.is_final,
        }
    }
}

impl From<PluginQuarantined> for wit::Quarantine {
    fn from(quarantined: PluginQuarantined) -> Self {
        Self {
            plugin: quarantined.plugin,
            component: quarantined.component,
            outcome: quarantined.outcome,
            failures: quarantined.failures,
            within_ms: quarantined.within_ms,
            until: time(quarantined.until),
        }
    }
}

impl From<SessionNotices> for wit::Notices {
    fn from(notices: SessionNotices) -> Self {
        Self {
            notices: notices.notices,
        }
    }
}

impl From<Relinked> for wit::Relinked {
    fn from(relinked: Relinked) -> Self {
        Self {
            previous: (&relinked.previous).into(),
            account: relinked.account.as_ref().map(Into::into),
            held_messages: relinked.held.messages,
            held_recipients: relinked.held.recipients,
        }
    }
}

impl From<RestrictionChanged> for wit::Restriction {
    fn from(restriction: RestrictionChanged) -> Self {
        Self {
            kind: restriction.kind.as_str().to_owned(),
            code: restriction.code,
            active: restriction.active,
            since: time(restriction.since),
            until: time(restriction.until),
        }
    }
}

/// The name of the report about passkeys, which `session` defines.
const PASSKEY: &str = "session.passkey";

/// The report about a passkey, of whichever stage.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Passkey {
    stage: String,
    purpose: String,
    public_key: Option<Value>,
    asked_at: Option<Value>,
    code_without: Option<Value>,
    expires_at: Option<Value>,
    reason: Option<String>,
}

impl From<Passkey> for wit::Passkey {
    fn from(passkey: Passkey) -> Self {
        let at = |written: Option<Value>| Timestamp::written(&written?).map(time);
        Self {
            stage: passkey.stage,
            purpose: passkey.purpose,
            public_key: passkey.public_key.map(|key| key.to_string()),
            asked_at: at(passkey.asked_at),
            code_without: at(passkey.code_without),
            expires_at: at(passkey.expires_at),
            reason: passkey.reason,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::{EventId, REPORTS};

    fn report(kind: &str, json: &Value) -> Converted {
        let envelope = Envelope {
            id: EventId("evt_1".into()),
            at: Timestamp(7),
            session: "default".parse().expect("a client id"),
            account: None,
            replayed: false,
            event: Event::Other {
                kind: kind.to_owned(),
                json: json.to_string(),
            },
        };
        converted(&envelope, &[], true)
    }

    #[test]
    fn every_report_has_a_type_and_keeps_its_json_for_lines_without_it() {
        let at = "2023-11-14T22:13:20.007Z";
        let millis = 1_700_000_000_007_u64;
        let samples = [
            (
                "session.passkey",
                json!({"stage": "done", "purpose": "link", "reason": "linked"}),
            ),
            (
                "bridge.fault",
                json!({"place": "take", "error": "TypeError", "count": 1, "since": at}),
            ),
            (
                "message.unknown",
                json!({"id": "3EB0", "reason": "r", "to": {"chat": "1@c.us"}, "final": true}),
            ),
            (
                "plugin.quarantined",
                json!({"plugin": "a", "component": "00", "outcome": "trapped", "failures": 3, "withinMs": 9, "until": at}),
            ),
            ("session.notices", json!({"notices": ["n"]})),
            (
                "session.relinked",
                json!({"previous": {"pn": "1@c.us", "lid": null, "pushName": null}, "account": null, "held": {"messages": 1, "recipients": 2}}),
            ),
            (
                "session.restriction",
                json!({"kind": "new_chat_limit", "code": 475, "active": true, "since": millis, "until": millis}),
            ),
        ];
        let mut known: Vec<&str> = samples.iter().map(|(kind, _)| *kind).collect();
        known.sort_unstable();
        // Reports that are newer than the line stay `other`.
        let newer = ["plugin.quarantine_ended"];
        let mut reports = REPORTS.to_vec();
        reports.retain(|kind| !newer.contains(kind));
        reports.sort_unstable();
        assert_eq!(known, reports);
        for (kind, json) in samples {
            let Converted { envelope, untyped } = report(kind, &json);
            assert!(
                !matches!(envelope.event, Wit::Other(_)),
                "{kind}: {:?}",
                envelope.event
            );
            assert_eq!(envelope.kind, kind);
            let untyped = untyped.expect("JSON");
            assert_eq!(
                (untyped.kind.as_str(), untyped.json),
                (kind, json.to_string())
            );
            if let Wit::BridgeFault(fault) = envelope.event {
                assert_eq!(fault.since, millis);
            }
        }
    }

    #[test]
    fn a_report_of_another_form_is_passed_on_as_it_is() {
        let json = json!({"notices": "none"});
        let Converted { envelope, .. } = report("session.notices", &json);
        let Wit::Other(other) = envelope.event else {
            panic!("{:?}", envelope.event);
        };
        assert_eq!(other.json, json.to_string());
    }
}
