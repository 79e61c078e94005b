//! `events.schema.json`: the bodies of webhooks as JSON Schema, generated from the types that are
//! sent. The gateway's OpenAPI document includes the file.
//!
//! After a change of the types, `WEBHOOK_SCHEMA=write cargo test -p webhook` regenerates it.

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

use crate::{
    Body,
    payload::{
        ack::Ack,
        message::Message,
        session::{Qr, SessionStatus},
    },
};

/// The place of the schemas in the OpenAPI document.
const PLACE: &str = "/components/schemas";

/// The text of the file.
fn made() -> String {
    let settings = SchemaSettings::draft2020_12()
        .for_serialize()
        .with(|settings| settings.definitions_path = PLACE.into());
    let mut schemas = settings.into_generator();
    let mut of = Of(&mut schemas, Map::new());
    of.event::<Message<'_>>("message", "Somebody else's message was received.");
    of.event::<Message<'_>>(
        "message.any",
        "A message was received or sent, also one that the account itself wrote.",
    );
    of.event::<Message<'_>>(
        "message.received",
        "A message was received, or written by the account's owner on another device.",
    );
    of.event::<Message<'_>>(
        "message.sent",
        "WhatsApp's server has acknowledged a message of the gateway.",
    );
    of.event::<Message<'_>>(
        "message.failed",
        "A message was not sent and will not be; `error` says why.",
    );
    of.event::<AckOrFailure>(
        "message.ack",
        "A sent message reached a further level of acknowledgement, or failed.",
    );
    of.event::<SessionStatus<'_>>(
        "session.status",
        "A session moved from one state to another.",
    );
    of.event::<SessionStatus<'_>>(
        "session.state",
        "The same as `session.status`, under the gateway's own name.",
    );
    of.event::<Qr<'_>>("session.qr", "A QR code can be scanned. Sent only to a target that names this event in full, and only if the plugin has the grant `qr`.");
    let events = of.1;
    let body = schemas.subschema_for::<Body<'_>>();
    let file = json!({"body": body, "events": events, "schemas": schemas.take_definitions(true)});
    serde_json::to_string_pretty(&file).expect("JSON") + "\n"
}

/// The payload of `message.ack`.
#[derive(serde::Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "WebhookAckOrFailure")]
#[expect(dead_code, reason = "it is only described")]
enum AckOrFailure {
    /// The message reached a further level of acknowledgement.
    Ack(Ack<'static>),
    /// The message failed.
    Failed(Box<Message<'static>>),
}

struct Of<'a>(&'a mut SchemaGenerator, Map<String, Value>);

impl Of<'_> {
    fn event<T: JsonSchema>(&mut self, name: &str, words: &str) {
        let payload = self.0.subschema_for::<T>();
        self.1.insert(
            name.into(),
            json!({"description": words, "payload": payload}),
        );
    }
}

#[test]
fn the_file_says_what_the_types_are() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/events.schema.json");
    let made = made();
    if std::env::var("WEBHOOK_SCHEMA").is_ok_and(|wish| wish == "write") {
        std::fs::write(path, &made).expect("written");
    }
    let file = std::fs::read_to_string(path).expect("the file");
    assert!(
        file == made,
        "plugins/webhook/events.schema.json is not what the types say: WEBHOOK_SCHEMA=write cargo test -p webhook"
    );
}

/// Checks a body against the schema in the file. Tests of sent bodies use this.
pub(crate) fn check(body: &Value) {
    let Value::Object(mut file) = serde_json::from_str(&made()).expect("the file") else {
        panic!("no object")
    };
    let schemas = json!({"schemas": file.remove("schemas")});
    let of = |schema: &Value| {
        let mut whole = schema.clone();
        whole["components"] = schemas.clone();
        jsonschema::validator_for(&whole).expect("a schema")
    };
    let wrong = |schema: &Value, value: &Value| {
        let all: Vec<String> = of(schema)
            .iter_errors(value)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(
            all.is_empty(),
            "{value} is not what events.schema.json says: {all:#?}"
        );
    };
    wrong(&file["body"], body);
    if let Some(event) = file["events"].get(body["event"].as_str().expect("a name")) {
        wrong(&event["payload"], &body["payload"]);
    }
}
