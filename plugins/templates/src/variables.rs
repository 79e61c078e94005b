//! Converts the variables that a caller gives to those that a template gets: checks names and
//! types, and adds defaults.

use std::collections::BTreeMap;

use minijinja::Value as Bound;
use wharf_plugin::{RenderError, Value};

use crate::config::{Kind, Template, Variable};

/// The most UTF-16 units of a text variable without a `max_length`.
const TEXT_LIMIT: usize = 1024;

/// The variables of a template. An optional variable that is not given and has no default stays
/// undefined.
pub(crate) fn bind(
    template: &Template,
    given: &[(String, Value)],
) -> Result<BTreeMap<String, Bound>, RenderError> {
    let mut bound = BTreeMap::new();
    for (name, value) in given {
        let bad = |reason: String| RenderError::BadVariable {
            name: name.clone(),
            reason,
        };
        let variable = template
            .variables
            .get(name)
            .ok_or_else(|| bad(unknown(template)))?;
        bound.insert(name.clone(), of_value(variable, value).map_err(bad)?);
    }
    for (name, variable) in &template.variables {
        if bound.contains_key(name) {
            continue;
        }
        if variable.is_required() {
            return Err(RenderError::MissingVariable(name.clone()));
        }
        if let Some(default) = &variable.default {
            let bad = |reason| RenderError::BadVariable {
                name: name.clone(),
                reason,
            };
            bound.insert(name.clone(), of_json(variable, default).map_err(bad)?);
        }
    }
    Ok(bound)
}

fn unknown(template: &Template) -> String {
    let known: Vec<&str> = template.variables.keys().map(String::as_str).collect();
    format!(
        "the template has no such variable; it has: {}",
        if known.is_empty() {
            "none".to_owned()
        } else {
            known.join(", ")
        }
    )
}

fn of_value(variable: &Variable, value: &Value) -> Result<Bound, String> {
    match (variable.kind, value) {
        (Kind::Text, Value::Text(text)) => of_text(variable, text),
        (Kind::Integer | Kind::Number | Kind::Json, Value::Integer(number)) => {
            Ok(Bound::from(*number))
        }
        (Kind::Number | Kind::Json, Value::Number(number)) if number.is_finite() => {
            Ok(Bound::from(*number))
        }
        (Kind::Boolean | Kind::Json, Value::Boolean(value)) => Ok(Bound::from(*value)),
        // A whole number above `i64::MAX` comes as JSON.
        (Kind::Integer | Kind::Number, Value::Json(number)) => number
            .parse::<u64>()
            .map(Bound::from)
            .map_err(|_| expectation(variable.kind)),
        (Kind::Json, Value::Text(text)) => Ok(Bound::from(text.as_str())),
        (Kind::Json, Value::Json(json)) => {
            let value: serde_json::Value = serde_json::from_str(json)
                .map_err(|error| format!("is not valid JSON: {error}"))?;
            Ok(of_any(&value))
        }
        (kind, _) => Err(expectation(kind)),
    }
}

/// Converts a default, which is JSON, to a value of the variable's type.
pub(crate) fn of_json(variable: &Variable, json: &serde_json::Value) -> Result<Bound, String> {
    use serde_json::Value as Json;
    match (variable.kind, json) {
        (Kind::Text, Json::String(text)) => of_text(variable, text),
        (Kind::Integer, Json::Number(number)) if number.is_i64() || number.is_u64() => {
            Ok(of_any(json))
        }
        (Kind::Number, Json::Number(_)) | (Kind::Boolean, Json::Bool(_)) | (Kind::Json, _) => {
            Ok(of_any(json))
        }
        (kind, _) => Err(expectation(kind)),
    }
}

fn of_text(variable: &Variable, text: &str) -> Result<Bound, String> {
    let most = variable.max_length.unwrap_or(TEXT_LIMIT);
    let length = text.encode_utf16().count();
    if length <= most {
        Ok(Bound::from(text))
    } else {
        Err(format!(
            "has {length} characters, more than the {most} allowed"
        ))
    }
}

fn expectation(kind: Kind) -> String {
    match kind {
        Kind::Text => "must be text",
        Kind::Integer => "must be a whole number",
        Kind::Number => "must be a number",
        Kind::Boolean => "must be true or false",
        Kind::Json => "must be JSON",
    }
    .to_owned()
}

/// Converts JSON to a template value. Numbers beyond 64 bits become floating point.
fn of_any(json: &serde_json::Value) -> Bound {
    use serde_json::Value as Json;
    match json {
        Json::Null => Bound::from(()),
        Json::Bool(value) => Bound::from(*value),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Bound::from(number),
            (None, Some(number)) => Bound::from(number),
            (None, None) => Bound::from(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Bound::from(text.as_str()),
        Json::Array(items) => items.iter().map(of_any).collect(),
        Json::Object(pairs) => Bound::from_pairs(
            pairs
                .iter()
                .map(|(key, value)| (key.as_str(), of_any(value))),
        ),
    }
}
