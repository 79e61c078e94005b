//! Builds the OpenAPI 3.1 document from the table of calls. The scope of a call is the one that the
//! guard checks.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use serde_json::{Map, Value, json};

use super::{
    operation::{Answer, Header, Operation},
    schemas::Schemas,
    webhooks,
};
use crate::api::{
    error::{Code, FailureEnvelope, Problem, is_own},
    method::takes_body,
    route::{Call, Calls, Need},
};

const ABOUT: &str = include_str!("about.md");

/// The groups of calls: prefix of the path, name, description.
const TAGS: [(&str, &str, &str); 9] = [
    (
        "/v1/messages",
        "Messages",
        "Accepted messages: list, read, cancel and retry them.",
    ),
    ("/v1/bulk", "Bulk orders", "One message to many recipients."),
    (
        "/v1/deliveries",
        "Deliveries",
        "Deliveries of events to their receivers: list, read, retry and delete them.",
    ),
    (
        "/v1/sessions",
        "Sessions",
        "Sessions, each of which is one WhatsApp login: create, link, start, stop and read them, and send messages.",
    ),
    (
        "/v1/plugins",
        "Plugins",
        "The plugins of the gateway: list and reload them, and read and change what they store.",
    ),
    (
        "/passkey",
        "Helper page",
        "The page on which a person signs with a passkey, and its calls. They need the token in the path and no API key.",
    ),
    (
        "/api/whatsapp",
        "Original service",
        "The calls of the service that this gateway replaces, in that service's envelope.",
    ),
    ("/health", "Original service", ""),
    ("/", "Operation", "Probes, metrics and this document."),
];

/// The document that describes these calls.
pub(in crate::api) fn document(calls: &Calls) -> Value {
    let mut schemas = Schemas::new();
    let problem = schemas.written::<Problem>();
    let envelope = schemas.written::<FailureEnvelope>();
    let mut paths: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    for call in calls.iter() {
        let refusal = if is_own(call.path) {
            ("application/problem+json", &problem)
        } else {
            ("application/json", &envelope)
        };
        for (path, operation) in each(call) {
            let parameters: Vec<Value> = names(&path)
                .into_iter()
                .map(|name| in_path(&path, name, operation))
                .collect();
            let made = self::operation(call, operation, refusal, &mut schemas);
            let of_path = paths.entry(path).or_default();
            of_path.insert(call.method.as_str().to_ascii_lowercase(), made);
            if !parameters.is_empty() {
                of_path.insert("parameters".into(), parameters.into());
            }
        }
    }
    let (webhooks, bodies) = webhooks::all(&mut schemas);
    let mut components = schemas.finish();
    components.extend(bodies);
    let mut tags: Vec<Value> = Vec::new();
    for (_, name, description) in TAGS
        .iter()
        .filter(|(.., description)| !description.is_empty())
    {
        tags.push(json!({"name": name, "description": description}));
    }
    json!({
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://spec.openapis.org/oas/3.1/dialect/base",
        "info": {
            "title": "Wharf", "version": env!("CARGO_PKG_VERSION"), "summary": "A self-hosted WhatsApp gateway.", "description": ABOUT,
            "license": {"name": "ISC", "identifier": "ISC"},
        },
        "servers": [{"url": ".", "description": "The gateway that this document comes from."}],
        "tags": tags,
        "paths": paths,
        "webhooks": webhooks,
        "components": {
            "schemas": components,
            "headers": {
                "RequestId": {
                    "description": "The id of this request in the gateway's log: that of the request's own `X-Request-Id` header if it is 1 to 128 visible ASCII characters, otherwise a new one.",
                    "required": true, "schema": {"type": "string", "minLength": 1, "maxLength": 128},
                },
                "RetryAfter": {"description": "Seconds after which to try again.", "schema": {"type": "integer", "minimum": 1}},
                "WwwAuthenticate": {"description": "Always `Bearer`.", "required": true, "schema": {"type": "string", "const": "Bearer"}},
            },
            "parameters": {
                "IdempotencyKey": {
                    "name": "Idempotency-Key", "in": "header", "required": false,
                    "description": "1 to 255 printable ASCII characters. A repeated request with the same key gets the first one's message; a different request with the same key is refused. Keys of different API keys are independent. They are remembered for 24 hours unless the operator sets `[storage] keep_idempotency`; those of bulk orders as long as the orders are kept.",
                    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
                },
                "Prefer": {
                    "name": "Prefer", "in": "header", "required": false,
                    "description": "`respond-async`: answer with 202 as soon as the message is stored. Other preferences are ignored (RFC 7240).",
                    "schema": {"type": "string", "examples": ["respond-async"]},
                },
            },
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "An API key of the gateway."},
                "apiKey": {"type": "apiKey", "in": "header", "name": "X-Api-Key", "description": "The same key in another header."},
            },
        },
    })
}

/// The operations of a call with their paths: one operation, or one for each action.
fn each(call: &Call) -> Vec<(String, &Operation)> {
    let paths: Vec<String> = match call.verbs.as_slice() {
        [] => vec![call.path.to_owned()],
        verbs => verbs
            .iter()
            .map(|verb| call.path.replace("{verb}", verb))
            .collect(),
    };
    paths.into_iter().zip(&call.operations).collect()
}

/// The names in the braces of a path.
fn names(path: &str) -> Vec<&str> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .collect()
}

fn in_path(path: &str, name: &str, operation: &Operation) -> Value {
    let text = |description: &str| {
        (
            description.to_owned(),
            json!({"type": "string", "minLength": 1}),
        )
    };
    let (description, schema) = match (name, tag(path)) {
        ("id", "Sessions") => (
            "The name of a session.".to_owned(),
            json!({"type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$", "examples": ["default"]}),
        ),
        ("id", "Messages") => text("The gateway's id of a message, `out_…`."),
        ("id", "Bulk orders") => text("The id of a bulk order, `bulk_…`."),
        ("id", "Deliveries") => text("The id of a delivery, `dlv_…`."),
        ("name", "Plugins") => text("The name of a plugin, as in its entry of `gateway.toml`."),
        ("token", _) => text("The token in the link to the helper page, `pk_…`."),
        // Without a description a test fails.
        _ => text(
            operation
                .parts
                .iter()
                .find(|(part, _)| *part == name)
                .map_or("", |(_, description)| description),
        ),
    };
    json!({"name": name, "in": "path", "required": true, "description": description, "schema": schema})
}

fn tag(path: &str) -> &'static str {
    TAGS.iter()
        .find(|(start, ..)| path.starts_with(start))
        .map_or("Operation", |(_, name, _)| name)
}

fn operation(
    call: &Call,
    operation: &Operation,
    refusal: (&str, &Value),
    schemas: &mut Schemas,
) -> Value {
    let need = call.need;
    let mut all = json!({
        "operationId": operation.id, "summary": operation.summary, "description": description(operation, need), "tags": [tag(call.path)],
        "security": security(need),
    });
    let mut parameters = operation
        .query
        .map(|query| query(schemas))
        .unwrap_or_default();
    parameters.extend(operation.headers.iter().map(|header| match header {
        Header::IdempotencyKey => json!({"$ref": "#/components/parameters/IdempotencyKey"}),
        Header::Prefer => json!({"$ref": "#/components/parameters/Prefer"}),
    }));
    if !parameters.is_empty() {
        all["parameters"] = parameters.into();
    }
    if let Some(body) = operation.body {
        all["requestBody"] =
            json!({"required": true, "content": {"application/json": {"schema": body(schemas)}}});
    }
    let mut responses = Map::new();
    for Answer {
        status,
        words,
        content,
        headers,
    } in &operation.answers
    {
        let mut response = json!({"description": words, "headers": {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}});
        for (name, words) in headers {
            response["headers"][name] =
                json!({"description": words, "required": true, "schema": {"type": "string"}});
        }
        for (kind, made) in content {
            response["content"][kind]["schema"] =
                made.map_or_else(|| json!({}), |made| made(schemas));
        }
        responses.insert(status.as_str().into(), response);
    }
    for (status, codes) in by_status(codes(call, operation)) {
        let mut made = self::refusal(status, &codes, refusal);
        for (_, kind) in operation.also.iter().filter(|(of, _)| *of == status) {
            made["content"][kind] = json!({"schema": {}});
        }
        match responses.get_mut(status.as_str()) {
            // A probe has its own response type for this status.
            Some(own) => own["content"][refusal.0] = made["content"][refusal.0].clone(),
            None => drop(responses.insert(status.as_str().into(), made)),
        }
    }
    all["responses"] = responses.into();
    all
}

fn description(operation: &Operation, need: Need) -> String {
    let needs = match need {
        Need::Token => "Needs the token in the path, and no API key.".to_owned(),
        _ => match need.scope() {
            None => "Needs no API key.".to_owned(),
            Some((scope, false)) => format!("Needs the scope `{}`.", scope.as_str()),
            Some((scope, true)) => format!("Needs the scope `{}` of all sessions.", scope.as_str()),
        },
    };
    [operation.description, needs.as_str()]
        .iter()
        .filter(|text| !text.is_empty())
        .copied()
        .collect::<Vec<_>>()
        .join("\n\n")
}

/// Scopes are listed as roles, which OpenAPI 3.1 allows for security schemes other than OAuth.
fn security(need: Need) -> Value {
    match need.scope() {
        None => json!([]),
        Some((scope, _)) => json!([{"bearer": [scope.as_str()]}, {"apiKey": [scope.as_str()]}]),
    }
}

/// Every error code that the call may answer with: its own, and those of the guard, the router and
/// the extractors.
fn codes(call: &Call, operation: &Operation) -> Vec<Code> {
    // Without API keys the guard checks the origin of every request, probes included.
    let mut codes = vec![
        Code::AmbiguousRequest,
        Code::HostNotLoopback,
        Code::ProxyWithoutApiKeys,
        Code::OriginNotAllowed,
        Code::CrossSite,
    ];
    if call.need.scope().is_some() {
        codes.extend([
            Code::SeveralApiKeys,
            Code::ApiKeyInAddress,
            Code::InvalidApiKey,
            Code::MissingApiKey,
            Code::ScopeMissing,
        ]);
    }
    if !call.need.is_of_monitoring() {
        codes.push(Code::TooManyConnections);
    }
    if call.path.contains('{') {
        codes.push(Code::InvalidPath);
    }
    // A body is received, and discarded, also by a call that takes none.
    if takes_body(&call.method) {
        codes.extend([
            Code::BodyNotReadable,
            Code::BodyTooSlow,
            Code::BodyTooLarge,
            Code::UnsupportedMediaType,
            Code::Busy,
        ]);
    }
    // Any call may panic.
    codes.push(Code::Internal);
    codes.extend_from_slice(&operation.codes);
    codes
}

fn by_status(mut codes: Vec<Code>) -> BTreeMap<StatusCode, Vec<Code>> {
    codes.sort_by_key(|code| (code.status(), code.as_str()));
    codes.dedup();
    let mut statuses: BTreeMap<StatusCode, Vec<Code>> = BTreeMap::new();
    for code in codes {
        statuses.entry(code.status()).or_default().push(code);
    }
    statuses
}

fn refusal(status: StatusCode, codes: &[Code], (kind, form): (&str, &Value)) -> Value {
    let words: Vec<String> = codes
        .iter()
        .map(|code| format!("- `{}`: {}", code.as_str(), code.meaning()))
        .collect();
    let mut headers = json!({"X-Request-Id": {"$ref": "#/components/headers/RequestId"}});
    let may_retry = [
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::SERVICE_UNAVAILABLE,
        StatusCode::CONFLICT,
        StatusCode::UNPROCESSABLE_ENTITY,
    ];
    if may_retry.contains(&status) {
        headers["Retry-After"] = json!({"$ref": "#/components/headers/RetryAfter"});
    }
    if status == StatusCode::UNAUTHORIZED {
        headers["WWW-Authenticate"] = json!({"$ref": "#/components/headers/WwwAuthenticate"});
    }
    let names: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    let code = if codes.contains(&Code::Rejected) {
        // A plugin that rejects a message may give a code of its own.
        json!({"type": "string", "description": format!("One of {}, or a code of the plugin that rejected the message.", names.join(", "))})
    } else {
        json!({"type": "string", "enum": names})
    };
    let schema = json!({"allOf": [form, {"type": "object", "properties": {"code": code}}]});
    json!({"description": words.join("\n"), "headers": headers, "content": {kind: {"schema": schema}}})
}
