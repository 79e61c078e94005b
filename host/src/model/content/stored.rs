//! The form of contents in the database: the fields of the kind, with the kind's name and the
//! version of the form.
//!
//! The functions are for `#[serde(with)]`: messages and events are stored as JSON, and contents are
//! parts of them.
//!
//! The version is raised when a field is removed or changes its meaning, and the earlier version
//! stays readable. A new field does not raise the version: readers ignore unknown fields and give
//! missing ones a default. Rows from before there were versions have version 1. An unknown kind or
//! version is an error, and the row stays where it is until a gateway that knows it reads it.

use serde::{Deserialize, Deserializer, Serializer, de::Error};
use serde_json::{Map, Value};

use super::Content;

/// [`Content::redacted`] as it is stored, for statements that write it into many rows.
pub(crate) const REDACTED: &str = r#"{"kind":"other","v":1,"type":"redacted","json":"{}"}"#;

/// The version of rows without a version.
const FIRST: u32 = 1;

/// Serializes a content.
///
/// # Errors
/// When the serializer fails.
pub(crate) fn serialize<S: Serializer>(content: &Content, to: S) -> Result<S::Ok, S::Error> {
    content.store(to)
}

/// Deserializes a content.
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
