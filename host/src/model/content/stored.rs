//! The form of a content in the database: the fields of its kind, with the kind's name and the
//! version of that form.
//!
//! For `#[serde(with)]`: messages and events are stored as JSON, and a content is a part of them.
//!
//! A version is raised when a field goes or means something else, and the one before stays
//! readable. A new field raises nothing: readers pass over fields that they do not know, and give
//! those that are missing a default. Rows from before there were versions have version 1. A kind or
//! version that is not known is an error, and the row stays where it is until a gateway that knows
//! it looks at it.

use serde::{Deserialize, Deserializer, Serializer, de::Error};
use serde_json::{Map, Value};

use super::Content;

/// [`Content::redacted`] as it is stored, for statements that write it into many rows.
pub(crate) const REDACTED: &str = r#"{"kind":"other","v":1,"type":"redacted","json":"{}"}"#;

/// The version of rows that have none.
const FIRST: u32 = 1;

/// Writes a content.
///
/// # Errors
/// Those of the serializer.
pub(crate) fn serialize<S: Serializer>(content: &Content, to: S) -> Result<S::Ok, S::Error> {
    content.store(to)
}

/// Reads a content.
///
/// # Errors
/// When its kind or version is not known, or its fields cannot be read.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Content, D::Error> {
    let mut fields = Map::<String, Value>::deserialize(from)?;
    let Some(Value::String(kind)) = fields.remove("kind") else {
        return Err(D::Error::missing_field("kind"));
    };
    let version = match fields.remove("v") {
        None => FIRST,
        Some(version) => u32::deserialize(version).map_err(D::Error::custom)?,
    };
    Content::restore(&kind, version, Value::Object(fields))
}
