//! The form of a content at the bridge: the fields of its kind with the kind's name, to the page
//! and from it.
//!
//! It has no version of its own: the script that reads and writes it is a part of the gateway.

use serde::Serializer;
use serde_json::Value;

use super::{Content, OtherContent};

/// Writes a content for the page; for `#[serde(serialize_with)]`.
///
/// # Errors
/// Those of the serializer.
pub(crate) fn serialize<S: Serializer>(content: &Content, to: S) -> Result<S::Ok, S::Error> {
    content.to_bridge(to)
}

/// Reads a content that the page tells. What cannot be read is [`Content::Other`], by the name that
/// it has.
#[must_use]
pub(crate) fn read(mut content: Value) -> Content {
    let kind = match content.get_mut("kind").map(Value::take) {
        Some(Value::String(kind)) => kind,
        _ => "unknown".into(),
    };
    Content::from_bridge(&kind, content).unwrap_or_else(|| {
        Content::Other(OtherContent {
            kind,
            json: "{}".into(),
        })
    })
}
