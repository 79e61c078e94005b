//! The form in which contents pass between the gateway and the bridge script: the fields of the
//! kind, with the kind's name.
//!
//! The form has no version, because the script that reads and writes it is a part of the gateway.

use serde::Serializer;
use serde_json::Value;

use super::{Content, OtherContent};

/// Serializes a content for the page; for `#[serde(serialize_with)]`.
///
/// # Errors
/// When the serializer fails.
pub(crate) fn serialize<S: Serializer>(content: &Content, to: S) -> Result<S::Ok, S::Error> {
    content.to_bridge(to)
}

/// Reads a content that the page reports. A content that cannot be read becomes [`Content::Other`]
/// with the kind's name.
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
