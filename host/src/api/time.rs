//! Times in responses and requests.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Serialize, Serializer};
use serde_json::Value;

pub(super) use crate::model::AnyTime;
use crate::model::Timestamp;

/// A time in a response: RFC 3339 in UTC with milliseconds, `2026-01-31T09:00:00.000Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Time(pub(super) Timestamp);

impl Time {
    /// The present time.
    pub(super) fn now() -> Self {
        Self(Timestamp::now())
    }
}

impl From<Timestamp> for Time {
    fn from(at: Timestamp) -> Self {
        Self(at)
    }
}

impl JsonSchema for Time {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Time".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "format": "date-time"})
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.rfc3339())
    }
}

/// Reads a time in a request: RFC 3339 with an offset, or milliseconds since the Unix epoch. The
/// error says what is accepted.
pub(super) fn instant(name: &str, value: &Value) -> Result<Timestamp, String> {
    Timestamp::written(value).ok_or_else(|| format!("{name} must be a time: RFC 3339 with an offset (2026-01-31T09:00:00Z) or milliseconds since the Unix epoch"))
}
