//! The check of a plugin's configuration against the JSON Schema that the plugin gives.
//!
//! A schema can be small and still exhaust the memory: in forty definitions of which each refers
//! twice to the one before, the references expand to a tree larger than any memory, and a
//! definition that refers to itself has no end. So the expanded size is computed first, and a
//! schema that is too large is refused with the reason. The caller sets a deadline as well.

use std::collections::BTreeMap;

use jsonschema::PatternOptions;
use serde_json::{Map, Value};

/// The most bytes of a schema.
const MAX_BYTES: usize = 512 << 10;
/// The most parts of a schema once its references are expanded.
const MAX_PARTS: u64 = 100_000;
/// The longest chain of references.
const MAX_CHAIN: usize = 64;
/// The most bytes of a compiled pattern.
const MAX_PATTERN: usize = 2 << 20;
/// A pattern counts as so many parts: there may be a hundred.
const PATTERN_PARTS: u64 = MAX_PARTS / 100;
/// The most mistakes of a configuration that are reported.
const MAX_REPORTED: usize = 10;

/// Checks a configuration against a schema. Without a schema it must be empty.
pub(super) fn check(schema: Option<&str>, config: &Value) -> Result<(), String> {
    let Some(schema) = schema else {
        let empty = config.as_object().is_none_or(Map::is_empty);
        return if empty {
            Ok(())
        } else {
            Err("it takes no config, but `config` has keys".into())
        };
    };
    if schema.len() > MAX_BYTES {
        return Err(format!(
            "its config schema has {} bytes; at most {MAX_BYTES} are read",
            schema.len()
        ));
    }
    let schema: Value = serde_json::from_str(schema)
        .map_err(|error| format!("its config schema is not JSON: {error}"))?;
    measure(&schema).map_err(|reason| format!("its config schema {reason}"))?;
    let patterns = PatternOptions::fancy_regex()
        .size_limit(MAX_PATTERN)
        .dfa_size_limit(MAX_PATTERN);
    let validator = jsonschema::options()
        .with_pattern_options(patterns)
        .build(&schema)
        .map_err(|error| format!("its config schema is not a JSON Schema: {error}"))?;
    let wrong: Vec<String> = validator
        .iter_errors(config)
        .take(MAX_REPORTED)
        .map(|error| {
            let path = error.instance_path().to_string();
            format!(
                "config{}: {error}",
                if path.is_empty() {
                    String::new()
                } else {
                    format!(" at {path}")
                }
            )
        })
        .collect();
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(wrong.join("; "))
    }
}

/// Checks that the schema stays small when its references are expanded, and that no reference leads
/// back to itself.
fn measure(schema: &Value) -> Result<(), String> {
    let mut measure = Measure {
        schema,
        known: BTreeMap::new(),
        open: vec![],
        deeper: 0,
        seen: 0,
    };
    measure.part(schema, true).map(drop)
}

struct Measure<'a> {
    schema: &'a Value,
    /// The number of parts that a reference expands to.
    known: BTreeMap<String, u64>,
    /// The references that are being followed, each with the depth in the configuration at which it
    /// stands.
    open: Vec<(String, usize)>,
    /// The depth in the configuration of the part that is looked at.
    deeper: usize,
    /// The number of parts that were looked at.
    seen: u64,
}

/// Keywords whose schemas apply to values inside the value that is checked.
const INSIDE: [&str; 9] = [
    "additionalItems",
    "additionalProperties",
    "contains",
    "items",
    "patternProperties",
    "prefixItems",
    "properties",
    "unevaluatedItems",
    "unevaluatedProperties",
];
/// Keywords whose value is a map of schemas by name, and not a schema itself.
const NAMED: [&str; 6] = [
    "$defs",
    "definitions",
    "dependencies",
    "dependentSchemas",
    "patternProperties",
    "properties",
];

impl Measure<'_> {
    /// The number of parts of a schema or of a list of schemas, once its references are expanded.
    fn part(&mut self, value: &Value, root: bool) -> Result<u64, String> {
        let mut parts: u64 = 1;
        self.seen += 1;
        match value {
            Value::Array(list) => {
                for value in list {
                    parts = parts.saturating_add(self.part(value, false)?);
                }
            }
            Value::Object(map) => {
                for (key, value) in map {
                    parts = parts.saturating_add(self.keyword(key, value, root)?);
                }
            }
            _ => {}
        }
        // Parts that were reached on another way count again, because a reference may lead into any
        // part of a part.
        if parts.max(self.seen) > MAX_PARTS {
            Err(format!(
                "has more than {MAX_PARTS} parts once its references are written out; a pattern counts as {PATTERN_PARTS}"
            ))
        } else {
            Ok(parts)
        }
    }

    fn keyword(&mut self, key: &str, value: &Value, root: bool) -> Result<u64, String> {
        match (key, value) {
            ("pattern", Value::String(_)) => Ok(PATTERN_PARTS),
            ("$ref", Value::String(to)) => self.reference(to),
            ("$dynamicRef" | "$recursiveRef", Value::String(_)) => {
                Err(format!("uses {key}; only $ref is followed"))
            }
            // It would change the meaning of the references below it.
            ("$id" | "id", Value::String(id)) if !root => Err(format!(
                "has an {key} ({id:?}) below its top, where none is taken"
            )),
            (_, Value::Object(named)) if NAMED.contains(&key) => {
                // A definition is only applied where something refers to it.
                let inside = INSIDE.contains(&key) || matches!(key, "$defs" | "definitions");
                self.deeper += usize::from(inside);
                let patterns = if key == "patternProperties" {
                    PATTERN_PARTS
                } else {
                    0
                };
                let parts = named.values().try_fold(1_u64, |sum, value| {
                    let part = self.part(value, false)?.saturating_add(patterns);
                    Ok::<_, String>(sum.saturating_add(part))
                });
                self.deeper -= usize::from(inside);
                parts
            }
            _ => {
                let inside = INSIDE.contains(&key);
                self.deeper += usize::from(inside);
                let parts = self.part(value, false);
                self.deeper -= usize::from(inside);
                parts
            }
        }
    }

    fn reference(&mut self, to: &str) -> Result<u64, String> {
        if let Some(parts) = self.known.get(to) {
            return Ok(*parts);
        }
        if let Some((_, at)) = self.open.iter().find(|(open, _)| open == to) {
            // When each round is one level deeper in the configuration, it ends where the
            // configuration ends.
            return if *at < self.deeper {
                Ok(1)
            } else {
                Err(format!("refers by {to:?} to itself without an end"))
            };
        }
        if self.open.len() == MAX_CHAIN {
            return Err(format!(
                "has more than {MAX_CHAIN} references behind one another, the last of them {to:?}"
            ));
        }
        let pointer = to
            .strip_prefix('#')
            .filter(|rest| rest.is_empty() || rest.starts_with('/'));
        let pointer = pointer.ok_or_else(|| {
            format!(
                "refers to {to:?}; only references within itself are followed, \"#\" or \"#/…\""
            )
        })?;
        if pointer.contains('%') {
            return Err(format!(
                "refers to {to:?}; a name with signs that have to be escaped cannot be referred to"
            ));
        }
        let schema = self.schema;
        let target = schema
            .pointer(pointer)
            .ok_or_else(|| format!("refers to {to:?}, which is not in it"))?;
        self.open.push((to.to_owned(), self.deeper));
        let parts = self.part(target, pointer.is_empty());
        self.open.pop();
        let parts = parts?;
        self.known.insert(to.to_owned(), parts);
        Ok(parts)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_config_is_checked_against_the_plugins_schema() {
        let text = r#"{"type":"object","additionalProperties":false,"properties":{"cap":{"type":"integer","minimum":1}}}"#;
        assert_eq!(check(Some(text), &json!({"cap": 1})), Ok(()));
        let wrong = check(Some(text), &json!({"cap": 0, "typo": 1})).expect_err("two");
        assert!(
            wrong.contains("at /cap") && wrong.contains("typo"),
            "{wrong}"
        );
        assert!(check(Some("{"), &json!({})).is_err());
        assert!(check(None, &json!({"a": 1})).is_err());
    }

    /// `levels` definitions, each of which uses the one before twice.
    fn doubled(levels: usize, keyword: &str) -> Value {
        let twice = |to: usize| match keyword {
            "properties" => {
                json!({"properties": {"a": {"$ref": format!("#/$defs/d{to}")}, "b": {"$ref": format!("#/$defs/d{to}")}}})
            }
            other => {
                json!({other: [{"$ref": format!("#/$defs/d{to}")}, {"$ref": format!("#/$defs/d{to}")}]})
            }
        };
        let mut defs = Map::from_iter([("d0".to_owned(), json!({"type": "object"}))]);
        defs.extend((1..=levels).map(|level| (format!("d{level}"), twice(level - 1))));
        json!({"$defs": defs, "$ref": format!("#/$defs/d{levels}")})
    }

    #[test]
    fn doubled_references_are_refused_before_they_are_followed() {
        for keyword in ["allOf", "anyOf", "properties"] {
            let refused =
                check(Some(&doubled(40, keyword).to_string()), &json!({})).expect_err(keyword);
            assert!(
                refused.contains("parts once its references are written out"),
                "{refused}"
            );
            assert_eq!(
                check(Some(&doubled(5, keyword).to_string()), &json!({})),
                Ok(()),
                "{keyword}"
            );
        }
    }

    #[test]
    fn a_schema_that_never_ends_is_refused_and_one_that_follows_the_config_is_not() {
        for endless in [
            json!({"$ref": "#"}),
            json!({"allOf": [{"$ref": "#"}]}),
            json!({"$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}]}, "b": {"not": {"$ref": "#/$defs/a"}}}, "properties": {"x": {"$ref": "#/$defs/a"}}}),
            json!({"$defs": {"a": {"dependentSchemas": {"items": {"$ref": "#/$defs/a"}}}}, "$ref": "#/$defs/a"}),
        ] {
            let refused = check(Some(&endless.to_string()), &json!({"x": 1})).expect_err("endless");
            assert!(
                refused.contains("to itself without an end"),
                "{endless}: {refused}"
            );
        }
        let tree = json!({"$defs": {"node": {"type": "object", "properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
            "additionalProperties": false}}, "$ref": "#/$defs/node"});
        assert_eq!(
            check(
                Some(&tree.to_string()),
                &json!({"children": [{"children": []}]})
            ),
            Ok(())
        );
        assert!(
            check(Some(&tree.to_string()), &json!({"children": [{"odd": 1}]}))
                .expect_err("odd")
                .contains("odd")
        );
    }

    #[test]
    fn what_cannot_be_measured_is_refused_by_name() {
        let chain: Map<String, Value> = (0..200)
            .map(|n| {
                (
                    format!("c{n}"),
                    json!({"$ref": format!("#/$defs/c{}", n + 1)}),
                )
            })
            .collect();
        for (schema, words) in [
            (
                json!({"$ref": "https://example.org/schema"}),
                "https://example.org/schema",
            ),
            (json!({"$ref": "#nowhere"}), "only references within itself"),
            (json!({"$ref": "#/$defs/nowhere"}), "not in it"),
            (
                json!({"properties": {"a": {"$dynamicRef": "#a"}}}),
                "$dynamicRef",
            ),
            (
                json!({"properties": {"a": {"$id": "https://example.org/", "$ref": "#"}}}),
                "$id",
            ),
            (
                json!({"$ref": "#/$defs/c0", "$defs": chain}),
                "64 references behind one another",
            ),
            (
                json!({"description": "x".repeat(MAX_BYTES)}),
                "bytes; at most",
            ),
        ] {
            let refused = check(Some(&schema.to_string()), &json!({})).expect_err(words);
            assert!(refused.contains(words), "{refused}");
        }
        // Names like keywords are none.
        let names = json!({"properties": {"id": {"type": "string"}, "$ref": {"type": "string"}, "$id": {"type": "string"}}});
        assert_eq!(check(Some(&names.to_string()), &json!({"id": "a"})), Ok(()));
    }
}
