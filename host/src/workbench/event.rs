//! An event for a notifier, and what the receiver is to answer.
//!
//! The fields of an event are those of the contract with plugins (`wit/v0.2`), under the dotted
//! name that filters use. They are read by the type that the event log stores. That type passes
//! over fields that it does not know, as readers of stored rows must; a test that misspells a field
//! would test something else, so the fields are compared with what was understood.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{
    model::{Account, ClientId, Envelope, Event, EventId, REPORTS, Timestamp},
    plugins::AttemptResult,
};

/// The events with a variant of their own, and their names in the event log.
const STORED: [(&str, &str); 7] = [
    ("session.state", "session_state"),
    ("session.qr", "qr"),
    ("session.pairing_code", "pairing_code"),
    ("message.sent", "message_sent"),
    ("message.failed", "message_failed"),
    ("message.ack", "message_ack"),
    ("message.received", "message_received"),
];

/// What the receiver answers if the input does not say it.
const DEFAULT_STATUS: u16 = 200;

/// An event with what belongs to it.
#[derive(Debug)]
pub(super) struct EventInput {
    pub(super) envelope: Envelope,
    /// The operator's pairs of the session.
    pub(super) metadata: Vec<(String, String)>,
    /// The result of each HTTP call.
    pub(super) attempt: AttemptResult,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    event: Map<String, Value>,
    #[serde(default)]
    id: Option<String>,
    /// Milliseconds since the Unix epoch.
    #[serde(default)]
    at: Option<Timestamp>,
    #[serde(default)]
    account: Option<Value>,
    #[serde(default)]
    replayed: bool,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    #[serde(default)]
    answer: Option<Answer>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    status: Option<u16>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    unreachable: Option<String>,
}

impl EventInput {
    pub(super) fn read(json: &Value, session: &ClientId) -> Result<Self, String> {
        let written: Written = serde_path_to_error::deserialize(json)
            .map_err(|error| format!("{}: {}", error.path(), error.inner()))?;
        let account = written.account.as_ref().map(account).transpose()?;
        Ok(Self {
            envelope: Envelope {
                id: EventId(written.id.unwrap_or_else(|| "evt_1".to_owned())),
                at: written.at.unwrap_or_else(Timestamp::now),
                session: session.clone(),
                account,
                replayed: written.replayed,
                event: event(written.event)?,
            },
            metadata: written.metadata.into_iter().collect(),
            attempt: attempt(written.answer)?,
        })
    }
}

fn account(json: &Value) -> Result<Account, String> {
    let account: Account =
        serde_json::from_value(json.clone()).map_err(|error| format!("account: {error}"))?;
    understood("account", json, &to_json(&account)?)?;
    Ok(account)
}

fn event(mut fields: Map<String, Value>) -> Result<Event, String> {
    let Some(Value::String(kind)) = fields.remove("type") else {
        return Err(format!("event.type is missing; it is one of {}", kinds()));
    };
    if REPORTS.contains(&&*kind) {
        let json = Value::Object(fields).to_string();
        return Ok(Event::Other { kind, json });
    }
    let Some((_, stored)) = STORED.iter().find(|(name, _)| *name == kind) else {
        return Err(format!(
            "event.type {kind:?} is unknown; expected one of {}",
            kinds()
        ));
    };
    fields.insert("type".to_owned(), (*stored).into());
    let written = Value::Object(fields);
    let event: Event = serde_json::from_value(written.clone())
        .map_err(|error| format!("event ({kind}): {error}"))?;
    understood("event", &written, &to_json(&event)?)?;
    Ok(event)
}

fn kinds() -> String {
    let stored = STORED.iter().map(|(name, _)| *name);
    stored
        .chain(REPORTS.iter().copied())
        .collect::<Vec<_>>()
        .join(", ")
}

fn to_json<T: serde::Serialize>(value: &T) -> Result<Value, String> {
    serde_json::to_value(value).map_err(|error| error.to_string())
}

/// Every written field is one that was read.
fn understood(place: &str, written: &Value, read: &Value) -> Result<(), String> {
    match (written, read) {
        (Value::Object(written), Value::Object(read)) => {
            for (name, value) in written {
                let Some(known) = read.get(name) else {
                    let expected: Vec<&str> = read.keys().map(String::as_str).collect();
                    return Err(format!(
                        "{place}.{name} is unknown; expected one of {}",
                        expected.join(", ")
                    ));
                };
                understood(&format!("{place}.{name}"), value, known)?;
            }
            Ok(())
        }
        (Value::Array(written), Value::Array(read)) => written
            .iter()
            .zip(read)
            .enumerate()
            .try_for_each(|(at, (written, read))| {
                understood(&format!("{place}[{at}]"), written, read)
            }),
        _ => Ok(()),
    }
}

fn attempt(answer: Option<Answer>) -> Result<AttemptResult, String> {
    let Some(answer) = answer else {
        return Ok(AttemptResult::Answered {
            status: DEFAULT_STATUS,
            headers: vec![],
            body: vec![],
        });
    };
    match (answer.status, answer.unreachable) {
        (Some(status @ 100..=599), None) => Ok(AttemptResult::Answered {
            status,
            headers: answer.headers.into_iter().collect(),
            body: answer.body.into_bytes(),
        }),
        (Some(status), None) => Err(format!("answer.status is {status}; expected 100 to 599")),
        (None, Some(reason)) if answer.headers.is_empty() && answer.body.is_empty() => {
            Ok(AttemptResult::Unreachable(reason))
        }
        (None, Some(_)) => Err("answer.unreachable has no headers and no body".into()),
        _ => Err(
            "answer needs either status, with headers and body, or unreachable with the reason"
                .into(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(json: &Value) -> Result<EventInput, String> {
        EventInput::read(json, &"default".parse().expect("a client id"))
    }

    #[test]
    fn every_event_has_the_name_that_filters_use() {
        let chat = json!({"chat": "15551234567@c.us"});
        let content = json!({"kind": "text", "body": "hi"});
        let message = json!({"to": chat, "content": content});
        for event in [
            json!({"type": "session.state", "before": "loading", "after": "ready"}),
            json!({"type": "session.qr", "code": "2@x", "expires_at": 1, "attempt": 1}),
            json!({"type": "session.pairing_code", "code": "ABCD-EFGH", "expires_at": 1, "attempt": 1}),
            json!({"type": "message.sent", "id": "3EB0", "message": message}),
            json!({"type": "message.failed", "id": "3EB0", "code": "c", "reason": "r", "message": message}),
            json!({"type": "message.ack", "id": "3EB0", "chat": chat, "level": "read"}),
            json!({"type": "message.received", "id": "3EB0", "chat": chat, "sender": chat, "from_me": false, "sent_at": 1, "content": content}),
            json!({"type": "session.notices", "notices": []}),
        ] {
            let read = read(&json!({"event": event})).expect("read");
            assert_eq!(read.envelope.event.kind(), event["type"], "{event}");
        }
    }

    #[test]
    fn what_is_not_understood_is_named() {
        let state = |more: Value| {
            let mut event = json!({"type": "session.state", "before": "loading", "after": "ready"});
            if let (Some(event), Value::Object(more)) = (event.as_object_mut(), more) {
                event.extend(more);
            }
            event
        };
        for (json, words) in [
            (
                json!({"event": {}}),
                "event.type is missing; it is one of session.state",
            ),
            (
                json!({"event": {"type": "message_received"}}),
                "event.type \"message_received\" is unknown; expected one of session.state",
            ),
            (
                json!({"event": state(json!({"why": "x"}))}),
                "event.why is unknown; expected one of after, before, reason, type",
            ),
            (
                json!({"event": state(json!({"after": "redy"}))}),
                "event (session.state): unknown variant `redy`",
            ),
            (
                json!({"event": {"type": "message.ack", "id": "3EB0", "chat": {"chat": "1@c.us", "phone": "1"}, "level": "read"}}),
                "event.chat.phone is unknown; expected one of chat, lid, pn",
            ),
            (
                json!({"event": state(json!({})), "anser": {}}),
                "unknown field `anser`",
            ),
            (
                json!({"event": state(json!({})), "answer": {"status": 99}}),
                "answer.status is 99; expected 100 to 599",
            ),
            (
                json!({"event": state(json!({})), "answer": {}}),
                "answer needs either status",
            ),
            (
                json!({"event": state(json!({})), "account": {"phone": "1"}}),
                "account.phone is unknown",
            ),
        ] {
            let error = read(&json).expect_err("refused");
            assert!(error.contains(words), "{json}: {error}");
        }
    }
}
