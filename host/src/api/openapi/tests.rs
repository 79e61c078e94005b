//! Properties that the document must have, whatever is added to the API.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::api::{document, error::Code, routes};

fn whole() -> Value {
    serde_json::from_str(&document()).expect("JSON")
}

/// Visits every value of the document with its path.
fn walk<'a>(place: &str, value: &'a Value, see: &mut impl FnMut(&str, &'a Value)) {
    see(place, value);
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            walk(&format!("{place}/{}", name.replace('/', "~1")), value, see)
        }),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .for_each(|(at, value)| walk(&format!("{place}/{at}"), value, see)),
        _ => {}
    }
}

/// The operations by method and path.
fn operations(document: &Value) -> Vec<(String, &Value)> {
    let paths = document["paths"].as_object().expect("paths").iter();
    let of_path = |(path, methods): (&'_ String, &'_ Value)| -> Vec<String> {
        methods
            .as_object()
            .expect("methods")
            .keys()
            .filter(|name| *name != "parameters")
            .map(|method| format!("{method} {path}"))
            .collect()
    };
    let all: Vec<String> = paths.flat_map(of_path).collect();
    let find = |name: String| {
        let (method, path) = name.split_once(' ').expect("two words");
        let operation = &document["paths"][path][method];
        (name, operation)
    };
    all.into_iter().map(find).collect()
}

#[test]
fn every_reference_leads_somewhere_and_every_name_is_used_once() {
    let document = whole();
    let mut lost = Vec::new();
    walk("", &document, &mut |place, value| {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str)
            && reference
                .strip_prefix('#')
                .is_none_or(|pointer| document.pointer(pointer).is_none())
        {
            lost.push(format!("{place}: {reference}"));
        }
    });
    assert!(lost.is_empty(), "{lost:#?}");
    let operations = operations(&document);
    let ids: BTreeSet<&str> = operations
        .iter()
        .filter_map(|(_, operation)| operation["operationId"].as_str())
        .collect();
    assert_eq!(ids.len(), operations.len());
}

#[test]
fn every_field_and_parameter_is_described() {
    let document = whole();
    let mut bare = Vec::new();
    walk("", &document, &mut |place, value| {
        let is_field = place.rsplit('/').nth(1) == Some("properties") && !place.contains("/allOf/");
        // The tag of an enum needs no description beside its value.
        let is_tag = value.get("const").is_some();
        let is_parameter = value.get("in").is_some_and(Value::is_string);
        let says = |value: &Value| {
            value["description"]
                .as_str()
                .is_some_and(|words| words.len() > 5)
        };
        if (is_field || is_parameter) && !is_tag && !says(value) {
            bare.push(place.to_owned());
        }
    });
    assert!(bare.is_empty(), "without a description: {bare:#?}");
    for (name, operation) in operations(&document) {
        assert!(
            operation["summary"]
                .as_str()
                .is_some_and(|words| words.len() > 5 && !words.ends_with('.')),
            "{name}"
        );
        assert!(
            operation["responses"]
                .as_object()
                .is_some_and(|answers| answers.keys().any(|status| status.starts_with('2'))),
            "{name}"
        );
    }
}

#[test]
fn every_code_of_the_table_is_one_of_some_call() {
    let text = document();
    // Only an unsupported method is answered so, which no call describes.
    let of_none = [Code::MethodNotAllowed];
    // The state `refused` of a bulk recipient has the same name.
    for code in Code::ALL.iter().filter(|code| **code != Code::Refused) {
        let is_named = text.contains(&format!("- `{}`: ", code.as_str()));
        assert_eq!(is_named, !of_none.contains(code), "{}", code.as_str());
    }
}

#[test]
fn a_call_asks_for_the_scope_that_the_guard_asks_for() {
    let document = whole();
    let (_, calls) = routes::all().split();
    for call in calls.iter() {
        let verbs = if call.verbs.is_empty() {
            vec![""]
        } else {
            call.verbs.clone()
        };
        for verb in verbs {
            let operation = &document["paths"][call.path.replace("{verb}", verb)]
                [call.method.as_str().to_ascii_lowercase()];
            let wanted = match call.need.scope() {
                None => serde_json::json!([]),
                Some((scope, _)) => {
                    serde_json::json!([{"bearer": [scope.as_str()]}, {"apiKey": [scope.as_str()]}])
                }
            };
            assert_eq!(
                operation["security"], wanted,
                "{} {}",
                call.method, call.path
            );
        }
        assert_eq!(
            call.operations.len(),
            call.verbs.len().max(1),
            "{}",
            call.path
        );
    }
}

#[test]
fn the_bodies_of_all_webhooks_are_described() {
    let document = whole();
    let webhooks = document["webhooks"].as_object().expect("webhooks");
    for name in [
        "message",
        "message.ack",
        "message.unknown",
        "session.state",
        "session.qr",
        "session.passkey",
        "bridge.fault",
    ] {
        let body =
            &webhooks[name]["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"];
        let schema = document
            .pointer(body.as_str().expect("a reference").trim_start_matches('#'))
            .expect("a schema");
        assert_eq!(schema["properties"]["event"]["enum"][0], *name);
    }
}
