//! Tests of each bundled plugin's README: its example is a valid configuration, and it has every
//! key of the schema. A plugin's `tests/readme.rs` includes this file, and names the plugin
//! (`Tested`) and its README (`README`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says why"
)]

use serde_json::Value;
use wharf_plugin::Plugin;

use super::{README, Tested};

fn schema() -> Value {
    serde_json::from_str(Tested::INFO.config_schema.unwrap()).unwrap()
}

fn example() -> Value {
    let block = README
        .split("```toml\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .expect("a toml block");
    let gateway: Value = toml::from_str(block).unwrap();
    gateway["plugin"][0].clone()
}

#[test]
fn the_example_is_accepted() {
    let plugin = example();
    assert_eq!(plugin["name"], Tested::INFO.name);
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let faults: Vec<String> = validator
        .iter_errors(&plugin["config"])
        .map(|error| error.to_string())
        .collect();
    assert_eq!(faults, Vec::<String>::new());
    assert!(wharf_plugin::configure::<Tested>(&plugin["config"].to_string()).is_ok());
}

#[test]
fn the_schema_refuses_unknown_keys() {
    let mut config = example()["config"].clone();
    config["no_such_key"] = true.into();
    assert!(!jsonschema::is_valid(&schema(), &config));
}

#[test]
fn every_key_is_in_the_readme() {
    let mut keys = Vec::new();
    collect(&schema(), &mut keys);
    let missing: Vec<&String> = keys
        .iter()
        .filter(|key| !README.contains(&format!("`{key}`")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

fn collect(schema: &Value, keys: &mut Vec<String>) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::Object(properties)) = members.get("properties") {
                keys.extend(properties.keys().cloned());
            }
            members.values().for_each(|member| collect(member, keys));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, keys)),
        _ => {}
    }
}
