//! A serde deserializer for bodies and queries, whose errors are worded in terms of the API.
//!
//! Every body and query is read by it. The deserializer method that a field calls determines the
//! expected type, so an error can name the field, the expected type and the value found. A field
//! that is null counts as absent. An array is never read as an object: serde would take `["+49…",
//! "hello"]` for the fields in their order, and the message would be sent.

use std::{borrow::Cow, fmt, vec};

use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor, value::StrDeserializer,
    },
    forward_to_deserialize_any,
};

pub(super) use super::fault::Fault;
use super::json::{self, Json};

/// Reads a body that must be an object.
pub(super) fn from_slice<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, Fault> {
    T::deserialize(json::parse(body)?)
}

/// Reads a body that must be an object whose fields belong to two types. `others` are the names of
/// those that belong to `U`.
pub(super) fn from_slice_in_two<'de, T: Deserialize<'de>, U: Deserialize<'de>>(
    body: &'de [u8],
    others: &[&'static str],
) -> Result<(T, U), Fault> {
    let fields = match json::parse(body)? {
        Json::Object(fields) => fields,
        other => return Err(other.wrong("a JSON object")),
    };
    let (those, own) = fields
        .into_iter()
        .partition(|(name, _)| others.contains(&&**name));
    let those = U::deserialize(Json::Object(those))?;
    Ok((
        T::deserialize(Json::Object(own)).map_err(|fault| fault.beside(others))?,
        those,
    ))
}

/// Reads query parameters.
pub(super) fn from_query<'de, T: Deserialize<'de>>(query: &'de str) -> Result<T, Fault> {
    T::deserialize(Json::Object(
        url::form_urlencoded::parse(query.as_bytes())
            .map(|(name, word)| (name, Json::Word(word)))
            .collect(),
    ))
}

impl Json<'_> {
    fn wrong(&self, expected: impl fmt::Display) -> Fault {
        let is = match self {
            Self::Null => "it is null",
            Self::Bool(true) => "it is true",
            Self::Bool(false) => "it is false",
            Self::Number(_) => "it is a number",
            Self::Text(_) => "it is a string",
            Self::Word(_) => return Fault::whole(format!("must be {expected}")),
            Self::List(_) => "it is an array",
            Self::Object(_) => "it is an object",
        };
        Fault::whole(format!("must be {expected}; {is}"))
    }
}

/// Implements deserializer methods for numbers, which are parsed from their digits.
macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty, $expected:expr;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
            let digits = match &self {
                Json::Number(digits) => Some(*digits),
                Json::Word(word) => Some(word.as_ref()),
                _ => None,
            };
            match digits.and_then(|digits| digits.parse::<$type>().ok()) {
                Some(number) => visitor.$visit(number),
                None if digits.is_some() => Err(Fault::whole(format!("must be {}", $expected))),
                None => Err(self.wrong($expected)),
            }
        }
    )*};
}

impl<'de> Deserializer<'de> for Json<'de> {
    type Error = Fault;

    /// Free-form values, such as a template's variables. Null stays null in them.
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self {
            Json::Null => visitor.visit_unit(),
            Json::Bool(truth) => visitor.visit_bool(truth),
            Json::Number(digits) => {
                if let Ok(number) = digits.parse() {
                    return visitor.visit_u64(number);
                }
                if let Ok(number) = digits.parse()
                    && number != 0
                {
                    return visitor.visit_i64(number);
                }
                match digits.parse::<f64>() {
                    Ok(number) if number.is_finite() => visitor.visit_f64(number),
                    _ => Err(self.wrong("a number that can be kept, up to 1e308")),
                }
            }
            Json::Text(Cow::Borrowed(text)) | Json::Word(Cow::Borrowed(text)) => {
                visitor.visit_borrowed_str(text)
            }
            Json::Text(Cow::Owned(text)) | Json::Word(Cow::Owned(text)) => {
                visitor.visit_string(text)
            }
            Json::List(list) => visitor.visit_seq(List {
                rest: list.into_iter(),
                place: 0,
            }),
            Json::Object(fields) => visitor.visit_map(Fields {
                rest: fields.into_iter(),
                value: None,
                nulls: true,
            }),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match &self {
            Json::Bool(truth) => visitor.visit_bool(*truth),
            Json::Word(word) if word == "true" => visitor.visit_bool(true),
            Json::Word(word) if word == "false" => visitor.visit_bool(false),
            _ => Err(self.wrong("true or false")),
        }
    }

    numbers! {
        deserialize_u32 visit_u32 u32, format_args!("a whole number from 0 to {}", u32::MAX);
        deserialize_u64 visit_u64 u64, "a whole number that is not negative";
        deserialize_i64 visit_i64 i64, "a whole number";
        deserialize_f64 visit_f64 f64, "a number";
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self {
            Json::Text(_) | Json::Word(_) => self.deserialize_any(visitor),
            _ => Err(self.wrong("a string")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_str(visitor)
    }

    /// A type that accepts a number's digits or a string requests bytes, which JSON itself does not
    /// have.
    fn deserialize_bytes<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self {
            Json::Number(digits) => visitor.visit_borrowed_bytes(digits.as_bytes()),
            Json::Text(_) | Json::Word(_) => self.deserialize_any(visitor),
            _ => Err(self.wrong("a string or a whole number")),
        }
    }

    fn deserialize_byte_buf<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.deserialize_bytes(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        if matches!(self, Json::Null) {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self {
            Json::List(_) => self.deserialize_any(visitor),
            _ => Err(self.wrong("an array")),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        match self {
            Json::Object(fields) => visitor.visit_map(Fields {
                rest: fields.into_iter(),
                value: None,
                nulls: false,
            }),
            _ => Err(self.wrong("a JSON object")),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        names: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        match &self {
            Json::Text(name) | Json::Word(name) if names.contains(&&**name) => {
                let name: StrDeserializer<'_, Fault> = (&**name).into_deserializer();
                visitor.visit_enum(name)
            }
            Json::Text(_) | Json::Word(_) => {
                Err(Fault::whole(format!("must be one of {}", names.join(", "))))
            }
            _ => Err(self.wrong(format_args!("one of {}", names.join(", ")))),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { i8 i16 i32 u8 u16 f32 char unit unit_struct tuple tuple_struct }
}

struct List<'de> {
    rest: vec::IntoIter<Json<'de>>,
    place: usize,
}

impl<'de> SeqAccess<'de> for List<'de> {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        let Some(value) = self.rest.next() else {
            return Ok(None);
        };
        let place = self.place;
        self.place += 1;
        seed.deserialize(value)
            .map(Some)
            .map_err(|fault| fault.at(place))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

struct Fields<'de> {
    rest: vec::IntoIter<(Cow<'de, str>, Json<'de>)>,
    value: Option<(Cow<'de, str>, Json<'de>)>,
    /// Whether fields that are null are included.
    nulls: bool,
}

impl<'de> MapAccess<'de> for Fields<'de> {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        let nulls = self.nulls;
        let Some((name, value)) = self
            .rest
            .find(|(_, value)| nulls || !matches!(value, Json::Null))
        else {
            return Ok(None);
        };
        let key = seed.deserialize(Json::Text(name.clone()))?;
        self.value = Some((name, value));
        Ok(Some(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let Some((name, value)) = self.value.take() else {
            return Err(Fault::whole("has a name without a value"));
        };
        seed.deserialize(value).map_err(|fault| fault.within(&name))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields, rename_all = "camelCase", default)]
    struct Call {
        to: String,
        place: Option<Place>,
        variables: BTreeMap<String, Value>,
        mentions: Vec<String>,
        link_preview: Option<bool>,
        limit: u32,
        state: Option<State>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Place {
        latitude: f64,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "snake_case")]
    enum State {
        Sent,
        NotSent,
    }

    fn says(body: &str) -> String {
        from_slice::<Call>(body.as_bytes())
            .expect_err(body)
            .says("the body")
    }

    #[test]
    fn what_is_null_is_left_out_and_free_values_keep_it() {
        let body = r#"{"to": "1", "place": null, "variables": {"a": null, "b": {"c": null}}, "mentions": null, "linkPreview": null, "limit": null, "state": null}"#;
        let call: Call = from_slice(body.as_bytes()).expect("read");
        let variables = BTreeMap::from([("b".to_owned(), json!({"c": null}))]);
        assert_eq!(
            call,
            Call {
                to: "1".into(),
                variables,
                ..Call::default()
            }
        );
        let marked = format!("\u{feff} {body}");
        assert_eq!(
            from_slice::<Call>(marked.as_bytes()).expect("a byte order mark is no part of it"),
            call
        );
    }

    #[test]
    fn a_fault_names_the_place_what_it_must_be_and_what_it_is() {
        for (body, words) in [
            (r#"["1"]"#, "the body must be a JSON object; it is an array"),
            ("", "the body must be a JSON object; it is empty"),
            (r#"{"to": "1""#, "the body is not JSON: line 1, column 10"),
            (r#"{"to": 1}"#, "to must be a string; it is a number"),
            (
                r#"{"place": [1.5]}"#,
                "place must be a JSON object; it is an array",
            ),
            (r#"{"place": {}}"#, "place.latitude is missing"),
            (
                r#"{"place": {"latitude": null}}"#,
                "place.latitude is missing",
            ),
            (
                r#"{"place": {"latitude": "x"}}"#,
                "place.latitude must be a number; it is a string",
            ),
            (
                r#"{"mentions": ["1", null]}"#,
                "mentions[1] must be a string; it is null",
            ),
            (
                r#"{"limit": 1.5}"#,
                "limit must be a whole number from 0 to 4294967295",
            ),
            (
                r#"{"linkPreview": "no"}"#,
                "linkPreview must be true or false; it is a string",
            ),
            (
                r#"{"state": "lost"}"#,
                "state must be one of sent, not_sent",
            ),
            (
                r#"{"to": "1", "place": {"latitude": 1, "latitude": 2}}"#,
                "place.latitude is given twice; give it once",
            ),
            (
                r#"{"variables": {"a": [{"b": 1, "\u0062": 2}]}}"#,
                "variables.a[0].b is given twice; give it once",
            ),
            (
                r#"{"to": "\ud800"}"#,
                "to has a string with half of a surrogate pair (\\ud800 to \\udfff), which is not a character",
            ),
            (
                r#"{"variables": {"a": 1e400}}"#,
                "variables.a must be a number that can be kept, up to 1e308; it is a number",
            ),
            (
                r#"{"linkpreview": true}"#,
                "linkpreview is unknown; did you mean linkPreview? expected one of to, place, variables, mentions, linkPreview, limit, state",
            ),
            (
                r#"{"place": {"lat": 1}}"#,
                "place.lat is unknown; expected one of latitude",
            ),
        ] {
            assert_eq!(says(body), words, "{body}");
        }
        let deep = format!(
            "{{\"variables\": {{\"a\": {}{}}}}}",
            "[".repeat(100_000),
            "]".repeat(100_000)
        );
        assert!(says(&deep).ends_with("is nested more than 64 levels deep"));
    }

    #[test]
    fn the_fields_of_two_types_are_read_from_one_body() {
        #[derive(Debug, Deserialize, PartialEq)]
        struct Beside {
            reply: Option<String>,
        }

        let read =
            |body: &'static str| from_slice_in_two::<Call, Beside>(body.as_bytes(), &["reply"]);
        let (call, beside) = read(r#"{"reply": "x", "to": "1"}"#).expect("read");
        assert_eq!(
            (call.to.as_str(), beside.reply.as_deref()),
            ("1", Some("x"))
        );
        for (body, words) in [
            (r#"{"reply": 1}"#, "reply must be a string; it is a number"),
            (r#"{"to": 1}"#, "to must be a string; it is a number"),
            (
                r#"{"repyl": "x"}"#,
                "repyl is unknown; did you mean reply? expected one of to, place, variables, mentions, linkPreview, limit, state, reply",
            ),
            (
                r#"{"place": {"reply": 1}}"#,
                "place.reply is unknown; expected one of latitude",
            ),
            (
                r#"{"reply": "x", "reply": "y"}"#,
                "reply is given twice; give it once",
            ),
            ("[1]", "the body must be a JSON object; it is an array"),
            ("", "the body must be a JSON object; it is empty"),
        ] {
            assert_eq!(
                read(body).expect_err(body).says("the body"),
                words,
                "{body}"
            );
        }
    }

    #[test]
    fn a_query_is_read_with_the_same_words() {
        let call: Call =
            from_query("to=%2B1&limit=5&linkPreview=true&state=not_sent").expect("read");
        assert_eq!(
            call,
            Call {
                to: "+1".into(),
                limit: 5,
                link_preview: Some(true),
                state: Some(State::NotSent),
                ..Call::default()
            }
        );
        for (query, words) in [
            (
                "limit=x",
                "limit must be a whole number from 0 to 4294967295",
            ),
            ("linkPreview=1", "linkPreview must be true or false"),
            ("to=1&to=2", "to is given twice; give it once"),
        ] {
            assert_eq!(
                from_query::<Call>(query)
                    .expect_err(query)
                    .says("the query"),
                words
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn any_json_is_read_as_serde_json_reads_it(text in r#"[\[\]{}",:0-9.eE+\- a-c\\utnl]{0,24}"#) {
            let read = json::parse(text.as_bytes()).and_then(Value::deserialize);
            match serde_json::from_str::<Value>(&text) {
                // Repeated names and unpaired surrogates are refused here.
                Ok(value) => if let Ok(read) = read && !text.contains(['.', 'e', 'E']) { assert_eq!(read, value) },
                Err(_) => assert!(read.is_err(), "{text}"),
            }
        }
    }
}
