//! The history of a message, as the API shows it.
//!
//! The store keeps the details of an entry as JSON and shows them unchanged, so their schema is
//! described beside them and not derived from them.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    api::time::Time,
    model::{AckLevel, FailureCode, Priority, Timestamp},
    outbox::HistoryRow,
};

/// An entry in the history of a message, with the details as they were stored. [`EntrySchema`] has
/// its schema.
#[derive(Debug, Serialize)]
pub(super) struct HistoryEntry {
    at: Time,
    what: String,
    #[serde(flatten)]
    detail: Map<String, Value>,
}

impl JsonSchema for HistoryEntry {
    fn schema_name() -> Cow<'static, str> {
        "HistoryEntry".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut at = generator.subschema_for::<Time>();
        at.insert(
            "description".into(),
            "When it happened. RFC 3339, UTC.".into(),
        );
        let mut schema = EntrySchema::json_schema(generator);
        let forms = schema.get_mut("oneOf").and_then(Value::as_array_mut);
        for form in forms.into_iter().flatten() {
            form["properties"]["at"] = at.clone().to_value();
            if let Some(required) = form["required"].as_array_mut() {
                required.insert(0, "at".into());
            }
        }
        schema
    }
}

/// The schema of an entry, without `at`. It covers every entry that a database can contain: fields
/// that earlier versions did not write are optional.
#[derive(JsonSchema)]
#[serde(
    tag = "what",
    rename_all = "snake_case",
    rename_all_fields = "camelCase"
)]
#[schemars(description = "An entry in the history of a message.")]
#[expect(dead_code, reason = "only its schema is used")]
enum EntrySchema {
    /// The message was stored.
    #[schemars(title = "AcceptedEntry")]
    Accepted {
        /// Its priority.
        priority: Priority,
        /// When it is to be sent; null: immediately.
        send_at: Option<Time>,
        /// When it expires, if it does.
        expires_at: Option<Time>,
        /// The name of the template from which the content was rendered.
        template: Option<String>,
    },
    /// A plugin has judged the message.
    #[schemars(title = "VerdictEntry")]
    Verdict {
        /// When the plugin was asked.
        when: JudgedAt,
        /// The name of the plugin.
        plugin: String,
        /// `allow`, `reject` or `modify`; of a monitored plugin `would_reject` or `would_modify`;
        /// otherwise how the call failed.
        verdict: String,
        /// Whether the plugin is monitored (`mode = "monitor"`), so that the verdict had no effect.
        #[serde(skip_serializing_if = "Option::is_none")]
        monitored: Option<bool>,
        /// The code of a rejection, or a description of the failure.
        detail: Option<String>,
        /// The reason of a rejection.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// SHA-256 of the plugin's component, in hexadecimal.
        component: String,
        /// Duration of the call in microseconds.
        micros: u64,
    },
    /// The message is held.
    #[schemars(title = "HeldEntry")]
    Held {
        /// Why it is held.
        reason: HeldReason,
    },
    /// The message is no longer held.
    #[schemars(title = "ReleasedEntry")]
    Released {},
    /// The message was given to the page.
    #[schemars(title = "SendingEntry")]
    Sending {
        /// The number of the attempt, from 1.
        attempt: i64,
        /// The chat that it is sent to.
        chat: String,
    },
    /// The message returned to the queue.
    #[schemars(title = "RequeuedEntry")]
    Requeued {
        /// The reason, for people.
        reason: String,
    },
    /// The outcome is unknown.
    #[schemars(title = "UnknownEntry")]
    Unknown {
        /// The reason, for people.
        reason: String,
        /// True once the gateway has stopped asking for the outcome.
        #[serde(skip_serializing_if = "Option::is_none")]
        r#final: Option<bool>,
    },
    /// The message was not sent.
    #[schemars(title = "NotSentEntry")]
    NotSent {
        /// The reason, for programs.
        code: FailureCode,
        /// The reason, for people.
        reason: String,
    },
    /// WhatsApp's server has the message.
    #[schemars(title = "SentEntry")]
    Sent {
        /// The chat that it was sent to.
        chat: Option<String>,
        /// The WhatsApp key of the message, `true_<chat>_<id>`.
        message_key: Option<String>,
    },
    /// WhatsApp has acknowledged the message.
    #[schemars(title = "AckEntry")]
    Ack {
        /// The level of the acknowledgement.
        level: AckLevel,
    },
    /// A caller has retried the message.
    #[schemars(title = "RetriedEntry")]
    Retried {},
    /// An entry that cannot be read.
    #[schemars(title = "UnreadableEntry")]
    Unreadable {},
}

/// When a plugin judged a message.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
enum JudgedAt {
    /// When the message was accepted.
    Accept,
    /// When the message was about to be sent.
    Dispatch,
}

/// Why a message is held.
#[derive(JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only its schema is used")]
enum HeldReason {
    /// WhatsApp does not let the account write to strangers now.
    Restricted,
    /// The budget for strangers is used up.
    ColdBudget,
    /// The message was accepted for another account.
    AccountChanged,
}

impl From<&HistoryRow> for HistoryEntry {
    fn from(row: &HistoryRow) -> Self {
        let mut detail = row.detail.as_object().cloned().unwrap_or_default();
        // These are stored as milliseconds.
        for name in ["sendAt", "expiresAt"] {
            if let Some(at) = detail.get(name).and_then(Value::as_i64) {
                detail.insert(name.to_owned(), Timestamp(at).rfc3339().into());
            }
        }
        detail.retain(|name, _| !matches!(name.as_str(), "at" | "what"));
        Self {
            at: row.at.into(),
            what: row.kind.clone(),
            detail,
        }
    }
}

#[cfg(test)]
mod tests {
    use schemars::generate::SchemaSettings;
    use serde_json::json;

    use super::*;

    #[test]
    fn every_entry_of_a_history_matches_its_schema_even_as_earlier_versions_wrote_it() {
        let generator = SchemaSettings::draft2020_12()
            .for_serialize()
            .into_generator();
        let schema = generator.into_root_schema_for::<HistoryEntry>();
        let validator = jsonschema::validator_for(schema.as_value()).expect("a schema");
        let matches = |kind: &str, detail: Value| {
            let row = HistoryRow {
                at: Timestamp(0),
                kind: kind.into(),
                detail,
            };
            validator.is_valid(&json!(HistoryEntry::from(&row)))
        };
        let judged = json!({"when": "accept", "plugin": "p", "verdict": "allow", "detail": null, "component": "00", "micros": 9});
        for (kind, detail) in [
            (
                "accepted",
                json!({"priority": "bulk", "sendAt": 1, "expiresAt": null, "template": null}),
            ),
            ("verdict", judged),
            ("held", json!({"reason": "cold_budget"})),
            ("released", json!({})),
            ("sending", json!({"attempt": 1, "chat": "77@lid"})),
            ("requeued", json!({"reason": "no page"})),
            ("unknown", json!({"reason": "no answer"})),
            ("unknown", json!({"reason": "no answer", "final": true})),
            ("not_sent", json!({"code": "cancelled", "reason": "why"})),
            ("sent", json!({"chat": "77@lid", "messageKey": null})),
            ("ack", json!({"level": "server"})),
            ("retried", json!({})),
            ("unreadable", json!({})),
        ] {
            assert!(matches(kind, detail.clone()), "{kind} {detail}");
        }
        assert!(!matches("posted", json!({})) && !matches("ack", json!({})));
    }
}
