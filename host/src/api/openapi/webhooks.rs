//! The `webhooks` of the document: what the bundled plugin `webhook` sends.
//!
//! `events.schema.json` is generated from the plugin's types. Events for which the plugin contract
//! has no type are passed on as they are, and described here by the gateway's own types.

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::schemas::Schemas;
use crate::{
    model::{PairingCodeShown, Report, ReportVisitor, visit_reports},
    session::PasskeyStep,
};

const PLUGIN: &str = include_str!("../../../../plugins/webhook/events.schema.json");

/// The webhooks by event name, and the schemas that they refer to.
pub(super) fn all(schemas: &mut Schemas) -> (Map<String, Value>, Map<String, Value>) {
    // The file is part of the binary, and a test checks that it parses.
    let mut file: Value = serde_json::from_str(PLUGIN).unwrap_or_default();
    let mut bodies = if let Value::Object(bodies) = file["schemas"].take() {
        bodies
    } else {
        Map::new()
    };
    let mut all = Map::new();
    for (name, event) in file["events"].as_object().into_iter().flatten() {
        let words = event["description"].as_str().unwrap_or_default();
        add(&mut all, &mut bodies, name, words, &event["payload"]);
    }
    add(
        &mut all,
        &mut bodies,
        "session.pairing_code",
        "A pairing code can be typed on the phone. It is a credential that links the session, so it is sent only if the plugin has the grant `qr`.",
        &schemas.written::<PairingCodeShown>(),
    );
    add(
        &mut all,
        &mut bodies,
        "session.passkey",
        "A passkey ceremony reached a further stage. Nothing that would let the receiver complete it is included.",
        &schemas.written::<PasskeyStep>(),
    );
    visit_reports(&mut Reports {
        all: &mut all,
        bodies: &mut bodies,
        schemas,
    });
    bodies.remove("WebhookBody");
    (all, bodies)
}

/// Adds each report; its description is the documentation of its type.
struct Reports<'a> {
    all: &'a mut Map<String, Value>,
    bodies: &'a mut Map<String, Value>,
    schemas: &'a mut Schemas,
}

impl ReportVisitor for Reports<'_> {
    fn visit<R: Report + JsonSchema>(&mut self) {
        let payload = self.schemas.written::<R>();
        let schema = R::json_schema(&mut SchemaGenerator::default());
        let words = schema
            .get("description")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .replace('\n', " ");
        add(self.all, self.bodies, R::KIND, &words, &payload);
    }
}

fn add(
    all: &mut Map<String, Value>,
    bodies: &mut Map<String, Value>,
    name: &str,
    words: &str,
    payload: &Value,
) {
    let schema = format!(
        "Webhook{}Event",
        name.split(['.', '_']).map(capital).collect::<String>()
    );
    // Written out for each event, because client generators cannot combine two schemas into one
    // body.
    let mut body = bodies.get("WebhookBody").cloned().unwrap_or_default();
    body["description"] = words.into();
    body["properties"]["event"]["enum"] = json!([name]);
    let mut of_event = payload.clone();
    of_event["description"] = "What happened.".into();
    body["properties"]["payload"] = of_event;
    bodies.insert(schema.clone(), body);
    let header = |words: &str, schema: Value| json!({"in": "header", "required": false, "description": words, "schema": schema});
    let mut parameters = vec![
        header(
            "The id of the delivery; the same on every attempt.",
            json!({"type": "string"}),
        ),
        header(
            "When this attempt was made, in milliseconds since the Unix epoch.",
            json!({"type": "integer"}),
        ),
        header(
            "HMAC-SHA512 of the body's bytes with the target's `hmac_secret`, in hexadecimal; only if a secret is configured.",
            json!({"type": "string", "pattern": "^[0-9a-f]{128}$"}),
        ),
        header(
            "Always `sha512`; only with a signature.",
            json!({"const": "sha512"}),
        ),
    ];
    let names = [
        "X-Webhook-Request-Id",
        "X-Webhook-Timestamp",
        "X-Webhook-Hmac",
        "X-Webhook-Hmac-Algorithm",
    ];
    for (parameter, name) in parameters.iter_mut().zip(names) {
        parameter["name"] = name.into();
    }
    let id = format!(
        "on{}",
        name.split(['.', '_']).map(capital).collect::<String>()
    );
    all.insert(
        name.into(),
        json!({"post": {
            "operationId": id, "summary": words, "tags": ["Webhooks"], "parameters": parameters,
            "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": format!("#/components/schemas/{schema}")}}}},
            "responses": {
                "2XX": {"description": "The event is delivered."},
                "default": {"description": "The event is sent again according to the target's `retry`; 410 ends the delivery at once."},
            },
        }}),
    );
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_ascii_uppercase().to_string() + letters.as_str()
    })
}
