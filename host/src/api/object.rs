//! JSON objects, and nothing that only looks like one: serde would read `["+49…", "hello"]` as the fields in their order,
//! and send it.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

/// The fields of an object.
#[derive(Debug, Clone, Default)]
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = T;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_map(Fields(PhantomData)).map(Self)
    }
}

/// Reads a body that has to be an object.
pub(super) fn from_slice<'de, T: Deserialize<'de>>(body: &'de [u8]) -> Result<T, serde_json::Error> {
    serde_json::from_slice(body).map(|Object(fields)| fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Call {
        to: String,
        place: Option<Object<Place>>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Place {
        latitude: f64,
    }

    impl PartialEq for Object<Place> {
        fn eq(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }

    #[test]
    fn an_array_is_no_object() {
        let call: Call = from_slice(br#"{"to": "1", "place": {"latitude": 1.5}}"#).expect("an object");
        assert_eq!(call, Call { to: "1".into(), place: Some(Object(Place { latitude: 1.5 })) });
        for body in [r#"["1", null]"#, r#"{"to": "1", "place": [1.5]}"#, "null", "\"to\"", r#"{"to": "1", "more": 1}"#] {
            assert!(from_slice::<Call>(body.as_bytes()).is_err(), "{body}");
        }
    }
}
