//! `events.schema.json`: the bodies of webhooks as JSON Schema, made from the types that are sent.
//! The gateway's OpenAPI document has its webhooks from that file.
//!
//! After a change of the types, `WEBHOOK_SCHEMA=write cargo test -p webhook` writes it anew.

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

/// Where the document that the schemas become part of has them.
const PLACE: &str = "/components/schemas";

/// The file's text.
fn made() -> String {
    let settings = SchemaSettings::draft2020_12()
        .for_serialize()
        .with(|settings| settings.definitions_path = PLACE.into());
    let mut schemas = settings.into_generator();
    let mut of = Of(&mut schemas, Map::new());
    of.event::<Message<'_>>("message", "A message of somebody else arrived.");
    of.event::<Message<'_>>("message.any", "A message arrived, or left, of whoever.");
    of.event::<Message<'_>>(
        "message.received",
        "A message arrived, also one that the account's owner wrote on the phone.",
    );
    of.event::<Message<'_>>(
        "message.sent",
        "WhatsApp's server took a message of the gateway.",
    );
    of.event::<Message<'_>>(
        "message.failed",
        "A message did not leave and will not; `error` says why.",
    );
    of.event::<AckOrFailure>("message.ack", "A sent message came further, or failed.");
    of.event::<SessionStatus<'_>>(
        "session.status",
        "A session moved from one state to another.",
    );
    of.event::<SessionStatus<'_>>("session.state", "The same, under the gateway's own name.");
    of.event::<Qr<'_>>("session.qr", "A QR can be scanned. Only for a target that asks for it by this name, of a plugin with the grant `qr`.");
    let events = of.1;
    let body = schemas.subschema_for::<Body<'_>>();
    let file = json!({"body": body, "events": events, "schemas": schemas.take_definitions(true)});
    serde_json::to_string_pretty(&file).expect("JSON") + "\n"
}

/// What `message.ack` is about.
#[derive(serde::Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "WebhookAckOrFailure")]
#[expect(dead_code, reason = "it is only described")]
enum AckOrFailure {
    /// It came further.
    Ack(Ack<'static>),
    /// It failed.
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

/// The body, as the file says what it must be. Whoever tests what is sent asks here.
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
