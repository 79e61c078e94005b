//! The log level: a level by any of its usual names, or a filter of `tracing`.
//!
//! `tracing` takes a word that is not a level for the name of a target, so `LOG_LEVEL=warning`
//! would log nothing at all. Here a single word is a level or an error, and a target is always
//! followed by `=` and its level.

use std::{fmt, str::FromStr};

use serde::Deserialize;
use tracing_subscriber::EnvFilter;

/// The accepted forms, for error messages.
pub(super) const LEVELS: &str = "error, warn, info, debug, trace or off (warning, fatal, verbose, silly, http and silent are understood), or a tracing \
                                 filter such as \"info,wharf::outbox=debug\"";

/// A level or a filter, in the syntax of `tracing`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct LogLevel(String);

impl LogLevel {
    /// The text for `tracing`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for LogLevel {
    fn default() -> Self {
        Self("info".into())
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for LogLevel {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("{text:?} must be {LEVELS}");
        // A filter with spans may contain commas inside brackets; `tracing` checks it as a whole.
        let filter = if text.contains('[') {
            text.trim().to_owned()
        } else {
            let directives: Option<Vec<String>> = text
                .split(',')
                .map(|part| match part.split_once('=') {
                    None => level(part).map(str::to_owned),
                    Some((name, word)) => target(name)
                        .zip(level(word))
                        .map(|(target, level)| format!("{target}={level}")),
                })
                .collect();
            directives.ok_or_else(wrong)?.join(",")
        };
        if EnvFilter::try_new(&filter).is_err() {
            return Err(wrong());
        }
        Ok(Self(filter))
    }
}

impl TryFrom<String> for LogLevel {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

/// A valid target, or `None`: `tracing` would accept any text, even with spaces.
fn target(name: &str) -> Option<&str> {
    let name = name.trim();
    let is_path = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"_-:".contains(&b));
    (is_path && !name.is_empty()).then_some(name)
}

/// The level with this name in `tracing` or in the usual loggers of Node.
fn level(word: &str) -> Option<&'static str> {
    Some(match word.trim().to_ascii_lowercase().as_str() {
        "error" | "fatal" => "error",
        "warn" | "warning" => "warn",
        // In Node's loggers, `http` is between info and verbose; the gateway does not log single
        // calls.
        "info" | "http" => "info",
        "debug" | "verbose" => "debug",
        "trace" | "silly" => "trace",
        "off" | "silent" => "off",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_level_is_refused_with_the_levels() {
        for word in [
            "loud",
            "wharf",
            "",
            "info,",
            "3",
            "wharf=loud",
            "=debug=",
            "info wharf=debug",
        ] {
            let error = word.parse::<LogLevel>().expect_err(word);
            assert!(
                error.contains("error, warn, info, debug, trace or off"),
                "{error}"
            );
        }
    }

    #[test]
    fn filters_are_kept_with_their_levels_in_tracings_words() {
        for (text, filter) in [
            (" Warning\n", "warn"),
            ("info, wharf::outbox = Verbose", "info,wharf::outbox=debug"),
            (
                "info,wharf[send{client=a}]=trace",
                "info,wharf[send{client=a}]=trace",
            ),
        ] {
            assert_eq!(
                text.parse::<LogLevel>().map(|level| level.to_string()),
                Ok(filter.to_owned())
            );
        }
    }
}
