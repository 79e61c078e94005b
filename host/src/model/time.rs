//! Points in time, as milliseconds since the Unix epoch, UTC: the only form that is stored and
//! passed to plugins.

use std::{borrow::Cow, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Milliseconds since the Unix epoch, UTC.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The current time by the clock of this machine.
    #[must_use]
    pub fn now() -> Self {
        Self(jiff::Timestamp::now().as_millisecond())
    }

    /// Reads a time in a request: RFC 3339 with an offset, or milliseconds since the Unix epoch.
    #[must_use]
    pub fn written(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => text
                .parse::<jiff::Timestamp>()
                .ok()
                .map(|at| Self(at.as_millisecond())),
            Value::Number(millis) => millis.as_i64().map(Self),
            _ => None,
        }
    }

    /// Formats as RFC 3339 with milliseconds and `Z`, as in REST responses:
    /// `2026-01-31T09:00:00.000Z`.
    #[must_use]
    pub fn rfc3339(self) -> String {
        jiff::Timestamp::from_millisecond(self.0)
            .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
            .strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
            .to_string()
    }

    /// Milliseconds from `earlier` to `self`; 0 if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }

    /// This time, moved back by a duration.
    #[must_use]
    pub fn minus(self, time: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i64::try_from(time.as_millis()).unwrap_or(i64::MAX)),
        )
    }

    /// This time, moved forward by `millis`.
    #[must_use]
    pub fn plus_millis(self, millis: u64) -> Self {
        Self(
            self.0
                .saturating_add(i64::try_from(millis).unwrap_or(i64::MAX)),
        )
    }
}

/// The schema of a time in a request: what [`Timestamp::written`] reads.
#[derive(Debug)]
pub enum AnyTime {}

impl JsonSchema for AnyTime {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "AnyTime".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "integer", "format": "int64", "minimum": i64::MIN, "maximum": i64::MAX}]})
    }
}

/// A duration in whole milliseconds; one that is too long for the type is its largest value.
#[must_use]
pub fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_has_milliseconds_and_a_z() {
        assert_eq!(
            Timestamp(1_700_000_000_007).rfc3339(),
            "2023-11-14T22:13:20.007Z"
        );
    }

    #[test]
    fn milliseconds_are_whole_and_bounded() {
        assert_eq!(millis(Duration::from_micros(1_999)), 1);
        assert_eq!(millis(Duration::MAX), u64::MAX);
    }
}
