//! What a plugin is asked about: a message, a template or an event, read from JSON.
//!
//! A message and a template have the form of `POST /v1/sessions/{id}/messages` and are read by its
//! reader; which of the two it is decides the extension point. An event is recognised by its field
//! `event`.

use std::{
    io::{self, Read},
    path::Path,
};

use serde_json::Value;

use super::{event::EventInput, settings};
use crate::{
    api::written,
    cli::Point,
    model::{Address, ClientId, OutboundMessage},
    outbox::Requested,
    plugins::RenderRequest,
};

/// One input.
#[derive(Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "there is one at a time, and it is taken apart at once"
)]
pub(super) enum Input {
    /// For validators.
    Message(OutboundMessage),
    /// For templaters.
    Template(RenderRequest),
    /// For notifiers.
    Event(Box<EventInput>),
}

impl Input {
    /// Reads an input for a call in `session`.
    pub(super) fn read(json: &Value, session: &ClientId) -> Result<Self, String> {
        if json.get("event").is_some() {
            return EventInput::read(json, session).map(|event| Self::Event(Box::new(event)));
        }
        let request = written::message(session, json.to_string().as_bytes())?;
        Ok(match request.content {
            Requested::Template(template) => Self::Template(template),
            Requested::Content(content) => Self::Message(OutboundMessage {
                to: Address::of(&request.to),
                content,
                reply_to: request.reply_to,
                send_at: request.send_at,
                metadata: request.metadata,
            }),
        })
    }

    /// The extension point that it is for.
    pub(super) fn point(&self) -> Point {
        match self {
            Self::Message(_) => Point::Validator,
            Self::Template(_) => Point::Templater,
            Self::Event(_) => Point::Notifier,
        }
    }

    /// Checks that the plugin can be asked: it exports the extension point, which is the one that
    /// the caller wants.
    pub(super) fn suits(&self, wanted: Option<Point>, exported: &[&str]) -> Result<(), String> {
        let (point, what) = match self {
            Self::Message(_) => ("send-validation", "a message, which is for a validator"),
            Self::Template(_) => ("message-templating", "a template, which is for a templater"),
            Self::Event(_) => ("event-notification", "an event, which is for a notifier"),
        };
        if let Some(wanted) = wanted.filter(|wanted| *wanted != self.point()) {
            let form = match wanted {
                Point::Validator => r#"a message: {"to": "+4915123456789", "text": "Hello"}"#,
                Point::Templater => {
                    r#"a template: {"to": "+4915123456789", "template": "greeting", "variables": {}}"#
                }
                Point::Notifier => r#"an event: {"event": {"type": "message.received", …}}"#,
            };
            return Err(format!(
                "the input is {what}; --point {} needs {form}",
                name(wanted)
            ));
        }
        if exported.contains(&point) {
            Ok(())
        } else {
            Err(format!(
                "the input is {what}, but the plugin does not export {point}; it exports {}",
                exported.join(", ")
            ))
        }
    }
}

/// The name of a point on the command line.
pub(super) fn name(point: Point) -> &'static str {
    match point {
        Point::Validator => "validator",
        Point::Templater => "templater",
        Point::Notifier => "notifier",
    }
}

/// The JSON values of files, of which `-` is standard input. Each has one or several.
pub(super) fn values(files: &[impl AsRef<Path>]) -> Result<Vec<Value>, String> {
    let mut values = Vec::new();
    for file in files {
        let file = file.as_ref();
        let (name, text) = if file == Path::new("-") {
            let mut text = String::new();
            let mut stdin = io::stdin().take(settings::MAX_TEXT);
            stdin
                .read_to_string(&mut text)
                .map_err(|error| format!("cannot read standard input: {error}"))?;
            ("standard input".to_owned(), text)
        } else {
            (file.display().to_string(), settings::read(file)?)
        };
        let before = values.len();
        for value in serde_json::Deserializer::from_str(&text).into_iter::<Value>() {
            values.push(value.map_err(|error| format!("{name} is not JSON: {error}"))?);
        }
        if values.len() == before {
            return Err(format!(
                "{name} is empty; an input is e.g. {{\"to\": \"+4915123456789\", \"text\": \"Hello\"}}"
            ));
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(json: &Value) -> Result<Input, String> {
        Input::read(json, &"default".parse().expect("a client id"))
    }

    #[test]
    fn the_fields_of_an_input_say_which_point_it_is_for() {
        for (json, point) in [
            (
                json!({"to": "+4915123456789", "text": "hi"}),
                Point::Validator,
            ),
            (
                json!({"to": "77@lid", "location": {"latitude": 1, "longitude": 2}}),
                Point::Validator,
            ),
            (
                json!({"to": "+4915123456789", "template": "greeting"}),
                Point::Templater,
            ),
            (
                json!({"event": {"type": "session.state", "before": "loading", "after": "ready"}}),
                Point::Notifier,
            ),
        ] {
            assert_eq!(read(&json).expect("read").point(), point, "{json}");
        }
    }

    #[test]
    fn a_wrong_message_is_refused_in_the_words_of_the_api() {
        for (json, words) in [
            (
                json!({"to": "+4915123456789", "txt": "hi"}),
                "txt is unknown; did you mean text?",
            ),
            (json!({"text": "hi"}), "to is missing"),
            (
                json!({"to": "+4915123456789"}),
                "to is required, and one of text",
            ),
            (json!(["hi"]), "must be a JSON object; it is an array"),
            (json!({"to": "015123456789", "text": "hi"}), "+"),
        ] {
            let error = read(&json).expect_err("refused");
            assert!(error.contains(words), "{json}: {error}");
        }
    }

    #[test]
    fn an_input_that_the_plugin_cannot_be_asked_about_is_refused_by_name() {
        let message = read(&json!({"to": "+4915123456789", "text": "hi"})).expect("read");
        assert_eq!(message.suits(None, &["send-validation"]), Ok(()));
        let error = message
            .suits(None, &["message-templating"])
            .expect_err("not exported");
        assert!(
            error.ends_with("does not export send-validation; it exports message-templating"),
            "{error}"
        );
        let error = message
            .suits(Some(Point::Notifier), &["send-validation"])
            .expect_err("another point");
        assert!(error.contains("--point notifier needs an event"), "{error}");
    }
}
