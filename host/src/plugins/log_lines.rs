//! The log lines of one call: limited in number and length, with the plugin's fields as fields.
//!
//! A line is one event whose `fields` is a JSON object, so no field of a plugin can take the place
//! of `level` or `plugin`. The JSON log writes that object as an object ([`crate::telemetry`]).

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map, Value};
use tracing::{Level, event, warn};

use super::{
    bindings::wharf::plugin::log,
    observe::{LogLine, Observation},
    text::PluginText,
};

/// The most lines of one call.
const MAX_LINES: u32 = 50;
/// The most bytes of all lines of one call.
const MAX_BYTES: usize = 16 << 10;
/// The most fields of one line, and the most bytes of a name and of a value.
const MAX_FIELDS: usize = 16;
const MAX_NAME: usize = 64;
const MAX_VALUE: usize = 512;

/// What a call may still log. When the call ends, a warning says how many lines were dropped.
#[derive(Debug)]
pub(super) struct LogLines {
    plugin: String,
    session: String,
    /// The number of lines that may still be written.
    lines: u32,
    /// The number of bytes that may still be written.
    bytes: usize,
    dropped: u64,
    /// Gets a copy of each line.
    pub(super) observation: Option<Arc<Observation>>,
}

impl LogLines {
    pub(super) fn new(plugin: &str, session: &str) -> Self {
        Self {
            plugin: plugin.to_owned(),
            session: session.to_owned(),
            lines: MAX_LINES,
            bytes: MAX_BYTES,
            dropped: 0,
            observation: None,
        }
    }

    pub(super) fn write(&mut self, level: log::Level, message: &str, fields: &[(String, String)]) {
        if self.lines == 0 {
            self.dropped += 1;
            return;
        }
        let message = PluginText::from(message);
        let within = |most, text: &str| String::from(PluginText::truncated(most, text));
        let mut named: Map<String, Value> = fields
            .iter()
            .take(MAX_FIELDS)
            .map(|(name, value)| (within(MAX_NAME, name), within(MAX_VALUE, value).into()))
            .collect();
        if let Some(more) = fields
            .len()
            .checked_sub(MAX_FIELDS)
            .filter(|more| *more > 0)
        {
            named.insert("…".into(), format!("{more} more fields").into());
        }
        let copied = self.observation.as_ref().map(|_| texts(&named));
        let fields = Value::Object(named).to_string();
        let size = message.len() + fields.len();
        if size > self.bytes {
            self.dropped += 1;
            return;
        }
        (self.lines, self.bytes) = (self.lines - 1, self.bytes - size);
        if let (Some(observation), Some(fields)) = (&self.observation, copied) {
            observation.logged(LogLine {
                level: name(level),
                message: message.to_string(),
                fields,
            });
        }
        let Self {
            plugin, session, ..
        } = self;
        // The level of an event is part of its type.
        macro_rules! line {
            ($level:ident) => {
                event!(target: "plugin", Level::$level, plugin, session, %fields, "{message}")
            };
        }
        match level {
            log::Level::Trace => line!(TRACE),
            log::Level::Debug => line!(DEBUG),
            log::Level::Info => line!(INFO),
            log::Level::Warn => line!(WARN),
            log::Level::Error => line!(ERROR),
        }
    }
}

fn name(level: log::Level) -> &'static str {
    match level {
        log::Level::Trace => "trace",
        log::Level::Debug => "debug",
        log::Level::Info => "info",
        log::Level::Warn => "warn",
        log::Level::Error => "error",
    }
}

/// The fields of a line; all of them are texts.
fn texts(fields: &Map<String, Value>) -> BTreeMap<String, String> {
    let text = |(name, value): (&String, &Value)| {
        (name.clone(), value.as_str().unwrap_or_default().to_owned())
    };
    fields.iter().map(text).collect()
}

impl Drop for LogLines {
    fn drop(&mut self) {
        if self.dropped > 0 {
            let Self {
                plugin,
                session,
                dropped,
                ..
            } = self;
            warn!(
                plugin,
                session,
                dropped,
                "log lines of a plugin were dropped: a call may write {MAX_LINES} of {MAX_BYTES} bytes together"
            );
        }
    }
}
