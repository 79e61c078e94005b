//! Log lines of plugins in the JSON log: the fields that a plugin has given are written as an
//! object, not as a string of JSON.
//!
//! `tracing` has no nested fields, so an event carries the object as text, and this module replaces
//! the text with the object. The object stays below `fields`, where it cannot be mistaken for the
//! gateway's own `level` or `plugin`.

use std::fmt;

use serde_json::{Map, Value};
use tracing::{Event, Subscriber};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

/// The target of the events that are log lines of plugins.
const TARGET: &str = "plugin";

/// A JSON format that writes the `fields` of plugins' log lines as an object.
#[derive(Debug)]
pub(super) struct WithGuests<F>(pub(super) F);

impl<F, S, N> FormatEvent<S, N> for WithGuests<F>
where
    F: FormatEvent<S, N>,
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if event.metadata().target() != TARGET {
            return self.0.format_event(context, writer, event);
        }
        let mut line = String::new();
        self.0
            .format_event(context, Writer::new(&mut line), event)?;
        match unfolded(&line) {
            Some(line) => writeln!(writer, "{line}"),
            None => writer.write_str(&line),
        }
    }
}

fn unfolded(line: &str) -> Option<String> {
    let mut line: Map<String, Value> = serde_json::from_str(line).ok()?;
    let fields = line
        .get("fields")?
        .as_str()
        .and_then(|text| serde_json::from_str::<Map<String, Value>>(text).ok())?;
    line.insert("fields".into(), Value::Object(fields));
    Some(Value::Object(line).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guests_fields_are_an_object_and_the_gateways_stay_what_they_are() {
        let line = r#"{"level":"INFO","message":"hi","plugin":"odd","fields":"{\"level\":\"ERROR\",\"plugin\":\"webhook\"}"}"#;
        let line: Value =
            serde_json::from_str(&unfolded(line).expect("a guest's line")).expect("JSON");
        assert_eq!(
            line,
            serde_json::json!({"level": "INFO", "message": "hi", "plugin": "odd", "fields": {"level": "ERROR", "plugin": "webhook"}})
        );
        for other in [
            r#"{"level":"INFO"}"#,
            r#"{"fields":"no object"}"#,
            "no JSON",
        ] {
            assert_eq!(unfolded(other), None, "{other}: it is written as it is");
        }
    }
}
