//! What the bundled plugin `webhook` sends, as OpenAPI's `webhooks`.
//!
//! The plugin makes `events.schema.json` of the types that it sends. What it passes on as it is,
//! events that the plugin contract has no type for, is described by the types that the gateway
//! makes those of.

use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::schemas::Schemas;
use crate::{
    model::{
        BridgeFault, MessageUnknown, PairingCodeShown, Relinked, RestrictionChanged, SessionNotices,
    },
    session::PasskeyStep,
};

const PLUGIN: &str = include_str!("../../../../plugins/webhook/events.schema.json");

/// The webhooks by the names of their events, and the schemas that they name.
pub(super) fn all(schemas: &mut Schemas) -> (Map<String, Value>, Map<String, Value>) {
    // The file is part of the binary; a test reads it.
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
    let mut of = |name, words, payload| add(&mut all, &mut bodies, name, words, &payload);
    of(
        "session.pairing_code",
        "A code can be typed on the phone. It links a phone to the session: only for a plugin with the grant `qr`.",
        made::<PairingCodeShown>(schemas),
    );
    of(
        "session.passkey",
        "A passkey ceremony came further. What lets its reader act is not told.",
        made::<PasskeyStep>(schemas),
    );
    of(
        "session.notices",
        "What an operator should know of a session has changed.",
        made::<SessionNotices>(schemas),
    );
    of(
        "session.restriction",
        "WhatsApp restricts the account, or does so no more.",
        made::<RestrictionChanged>(schemas),
    );
    of(
        "session.relinked",
        "The session is linked to another account; what was accepted for the one before is held.",
        made::<Relinked>(schemas),
    );
    of(
        "message.unknown",
        "Nobody knows whether a message has left. Do not send it again: the gateway finds out by its id.",
        made::<MessageUnknown>(schemas),
    );
    of(
        "bridge.fault",
        "Something went wrong in the page, told by its place and never by its words.",
        made::<BridgeFault>(schemas),
    );
    bodies.remove("WebhookBody");
    (all, bodies)
}

fn made<T: JsonSchema>(schemas: &mut Schemas) -> Value {
    schemas.written::<T>()
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
    // Written out for each event: generators of clients cannot put a body together of two schemas.
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
            "The id of the delivery, the same on every attempt.",
            json!({"type": "string"}),
        ),
        header(
            "When this attempt was made, in milliseconds since the Unix epoch.",
            json!({"type": "integer"}),
        ),
        header(
            "HMAC-SHA512 of the body's bytes under the target's `hmac_secret`, in hexadecimal; only where there is one.",
            json!({"type": "string", "pattern": "^[0-9a-f]{128}$"}),
        ),
        header(
            "Always `sha512`, beside the signature.",
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
                "2XX": {"description": "It was delivered."},
                "default": {"description": "It is sent again, as the target's `retry` says; 410 ends it at once."},
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
