//! JSON Schemas of request bodies, queries and responses, generated from the types that handlers
//! use.
//!
//! Bodies are parsed more leniently than serde alone implies: a field that is null counts as absent
//! ([`super::super::object`]). So schemas of bodies allow null for each optional field and for each
//! value of a map.

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// The place of schemas in the document.
const PLACE: &str = "/components/schemas";

/// Generates the schemas of one document.
#[derive(Debug)]
pub(in crate::api) struct Schemas {
    /// For bodies and queries.
    read: SchemaGenerator,
    /// For responses.
    written: SchemaGenerator,
}

impl Schemas {
    pub(super) fn new() -> Self {
        let settings = || {
            SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = PLACE.into())
        };
        Self {
            read: settings().for_deserialize().into_generator(),
            written: settings().for_serialize().into_generator(),
        }
    }

    /// The schema of a request body.
    pub(in crate::api) fn read<T: JsonSchema>(&mut self) -> Value {
        tolerant(self.read.subschema_for::<T>().to_value())
    }

    /// The schema of a response.
    pub(in crate::api) fn written<T: JsonSchema>(&mut self) -> Value {
        self.written.subschema_for::<T>().to_value()
    }

    /// The parameters of a query, one for each field of `T`.
    pub(in crate::api) fn parameters<T: JsonSchema>(&mut self) -> Vec<Value> {
        let schema = T::json_schema(&mut self.read).to_value();
        let required: Vec<&str> = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let fields = schema["properties"].as_object().into_iter().flatten();
        let parameter = |(name, schema): (&String, &Value)| {
            let mut schema = without_null(schema.clone());
            let description = schema
                .as_object_mut()
                .and_then(|schema| schema.remove("description"));
            json!({"name": name, "in": "query", "required": required.contains(&name.as_str()), "description": description, "schema": schema})
        };
        fields.map(parameter).collect()
    }

    /// All referenced schemas by name. A type used in both requests and responses must have the
    /// same schema in both.
    pub(super) fn finish(mut self) -> Map<String, Value> {
        let mut all = self.written.take_definitions(true);
        for (name, schema) in self.read.take_definitions(true) {
            let schema = tolerant(schema);
            debug_assert!(
                all.get(&name).is_none_or(|known| *known == schema),
                "{name} is read otherwise than it is answered: name one of both"
            );
            all.insert(name, schema);
        }
        all.values_mut().for_each(one_list);
        all
    }
}

/// Turns a choice of constants (`oneOf`) into one `enum`, with the meanings of the constants in its
/// description: client generators create an enumeration only from the latter.
fn one_list(schema: &mut Value) {
    let Some(choices) = schema.get("oneOf").and_then(Value::as_array) else {
        return;
    };
    let (mut words, mut meanings) = (Vec::new(), String::new());
    for choice in choices {
        let constant = choice.get("const").map(std::slice::from_ref);
        let Some(names) = constant.or(choice
            .get("enum")
            .and_then(Value::as_array)
            .map(Vec::as_slice))
        else {
            return;
        };
        for name in names {
            let Some(text) = name.as_str() else { return };
            words.push(name.clone());
            meanings += &format!("\n- `{text}`");
            meanings += &choice["description"]
                .as_str()
                .map(|meaning| format!(": {meaning}"))
                .unwrap_or_default();
        }
    }
    let description = schema["description"].as_str().unwrap_or_default();
    *schema = json!({"type": "string", "enum": words, "description": format!("{description}\n{meanings}")});
}

/// The schema of a request body, with null allowed for what may be left out.
fn tolerant(mut schema: Value) -> Value {
    if let Some(fields) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        fields
            .values_mut()
            .for_each(|field| *field = tolerant(field.take()));
    }
    for list in ["anyOf", "oneOf", "allOf"] {
        for part in schema
            .get_mut(list)
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            *part = tolerant(part.take());
        }
    }
    if let Some(pairs) = schema
        .get_mut("additionalProperties")
        .filter(|pairs| pairs.is_object())
    {
        *pairs = or_null(tolerant(pairs.take()));
    }
    if let Some(item) = schema.get_mut("items") {
        *item = tolerant(item.take());
    }
    let required: Vec<Value> = schema
        .get("required")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    for (name, field) in schema
        .get_mut("properties")
        .and_then(Value::as_object_mut)
        .into_iter()
        .flatten()
    {
        if !required.iter().any(|needed| needed == name) {
            *field = or_null(field.take());
        }
    }
    schema
}

fn or_null(mut schema: Value) -> Value {
    let has_null = |list: &Value| {
        list.as_array().is_some_and(|list| {
            list.iter()
                .any(|part| *part == "null" || part["type"] == "null")
        })
    };
    let Some(fields) = schema.as_object_mut() else {
        return schema;
    };
    // An empty object as a default means no more than absence.
    if fields
        .get("default")
        .is_some_and(|default| default.as_object().is_some_and(Map::is_empty))
    {
        fields.remove("default");
    }
    match fields.get("type").cloned() {
        Some(Value::String(one))
            if !fields.contains_key("enum") && !fields.contains_key("const") =>
        {
            fields.insert("type".into(), json!([one, "null"]));
        }
        Some(types @ Value::Array(_)) if has_null(&types) => {}
        None if fields.is_empty() || fields.get("anyOf").is_some_and(has_null) => {}
        None if fields.contains_key("anyOf") => {
            if let Some(list) = fields.get_mut("anyOf").and_then(Value::as_array_mut) {
                list.push(json!({"type": "null"}));
            }
        }
        _ => {
            // The description of the field stays outside.
            let mut outside = Map::new();
            for name in ["description", "default"] {
                outside.extend(fields.remove(name).map(|value| (name.to_owned(), value)));
            }
            let inside = std::mem::take(fields);
            outside.insert("anyOf".into(), json!([inside, {"type": "null"}]));
            return Value::Object(outside);
        }
    }
    schema
}

/// Removes null from the schema of a query parameter, which cannot be null.
fn without_null(mut schema: Value) -> Value {
    if let Some(types) = schema.get_mut("type")
        && let Some(list) = types.as_array_mut()
    {
        list.retain(|one| *one != "null");
        if let [one] = list.as_slice() {
            *types = one.clone();
        }
    }
    if let Some(list) = schema.get_mut("anyOf").and_then(Value::as_array_mut) {
        list.retain(|part| part["type"] != "null");
        if let [one] = list.as_slice()
            && let Some(one) = one.as_object().cloned()
            && let Some(fields) = schema.as_object_mut()
        {
            fields.remove("anyOf");
            fields.extend(one);
        }
    }
    if let Some(list) = schema.get_mut("enum").and_then(Value::as_array_mut) {
        list.retain(|one| !one.is_null());
    }
    schema
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    /// How a thing is done.
    #[derive(Deserialize, JsonSchema)]
    #[serde(rename_all = "snake_case")]
    enum Way {
        OneWay,
        Other,
    }

    #[derive(Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    #[expect(dead_code, reason = "it is only described")]
    struct Body {
        /// Which.
        name: String,
        /// How.
        way: Option<Way>,
        #[serde(default)]
        free_pairs: BTreeMap<String, String>,
    }

    #[test]
    fn what_may_be_left_out_may_be_null_and_nothing_else() {
        let mut schemas = Schemas::new();
        assert_eq!(
            schemas.read::<Body>(),
            json!({"$ref": "#/components/schemas/Body"})
        );
        let mut all = schemas.finish();
        let body = all.remove("Body").expect("a body");
        assert_eq!(body["required"], json!(["name"]));
        assert_eq!(body["additionalProperties"], json!(false));
        assert_eq!(
            body["properties"]["name"],
            json!({"type": "string", "description": "Which."})
        );
        assert_eq!(
            body["properties"]["way"]["anyOf"],
            json!([{"$ref": "#/components/schemas/Way"}, {"type": "null"}])
        );
        let pairs = &body["properties"]["freePairs"];
        assert_eq!(
            (&pairs["type"], &pairs["additionalProperties"]),
            (
                &json!(["object", "null"]),
                &json!({"type": ["string", "null"]})
            )
        );
    }

    #[test]
    fn a_parameter_is_never_null() {
        #[derive(Deserialize, JsonSchema)]
        #[expect(dead_code, reason = "it is only described")]
        struct Query {
            /// At most so many.
            #[schemars(range(min = 1, max = 9))]
            limit: Option<u32>,
            way: Option<Way>,
            which: String,
        }
        let parameters = Schemas::new().parameters::<Query>();
        let of = |name: &str| {
            parameters
                .iter()
                .find(|parameter| parameter["name"] == name)
                .expect("there")
        };
        assert_eq!(of("limit")["schema"]["type"], "integer");
        assert_eq!(
            (
                &of("limit")["description"],
                &of("limit")["schema"]["maximum"]
            ),
            (&json!("At most so many."), &json!(9))
        );
        assert_eq!(
            of("way")["schema"],
            json!({"$ref": "#/components/schemas/Way"})
        );
        assert_eq!(
            (&of("which")["required"], &of("way")["required"]),
            (&json!(true), &json!(false))
        );
    }
}
