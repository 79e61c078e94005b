//! The description of a plugin and the parsing of its configuration.
//!
//! The configuration is parsed into the plugin's own type, and every issue has a JSON Pointer, so
//! that an operator reads `/quiet_hours/0/from: …` and not a line number.

use std::fmt::Write as _;

use serde::{Deserialize, de::DeserializeOwned};
use serde_path_to_error::Segment;

/// A plugin of one or more extension points.
pub trait Plugin: Sized + Send + Sync + 'static {
    /// The description of the plugin. The host reads it with every capability refused.
    const INFO: Info;

    /// The type of the `[plugin.config]` table; [`NoConfig`] when the plugin has no configuration.
    /// A key that the type does not read is refused.
    type Config: DeserializeOwned;

    /// Creates the plugin from its configuration. Called once for each instance, and an instance
    /// serves a single call, so nothing expensive should happen here.
    ///
    /// # Errors
    /// All issues of the configuration, not only the first one.
    fn new(config: Self::Config) -> Result<Self, ConfigIssues>;
}

/// The description of a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Info {
    /// The name in kebab-case, unique within one gateway.
    pub name: &'static str,
    /// The plugin's own semantic version.
    pub version: &'static str,
    /// A description of one sentence.
    pub description: &'static str,
    /// The JSON Schema (2020-12) of the `config` table. Without one, only the plugin's own type
    /// checks the configuration.
    pub config_schema: Option<&'static str>,
    /// The events that a notifier wants (`message.received`, `session.*`, `*`); `*` stands for any
    /// characters. Other events are never delivered.
    pub events: &'static [&'static str],
}

impl Info {
    /// `Info::new("my-plugin", env!("CARGO_PKG_VERSION"), "Does this.")`
    #[must_use]
    pub const fn new(name: &'static str, version: &'static str, description: &'static str) -> Self {
        Self {
            name,
            version,
            description,
            config_schema: None,
            events: &[],
        }
    }

    /// Sets the JSON Schema of the configuration, e.g. `include_str!("../config.schema.json")`.
    #[must_use]
    pub const fn config_schema(mut self, schema: &'static str) -> Self {
        self.config_schema = Some(schema);
        self
    }

    /// Sets the events that a notifier wants.
    #[must_use]
    pub const fn events(mut self, events: &'static [&'static str]) -> Self {
        self.events = events;
        self
    }
}

/// The configuration of a plugin that has none: an empty table.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoConfig {}

/// One issue of a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConfigIssue {
    /// A JSON Pointer into the configuration; empty for the whole.
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// The issues of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConfigIssues(Vec<ConfigIssue>);

impl ConfigIssues {
    /// No issues.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// A single issue.
    #[must_use]
    pub fn one(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self(vec![ConfigIssue {
            path: path.into(),
            message: message.into(),
        }])
    }

    /// Adds an issue. `path` is a JSON Pointer; see [`ConfigIssues::pointer`] for keys that an
    /// operator has chosen.
    pub fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.0.push(ConfigIssue {
            path: path.into(),
            message: message.into(),
        });
    }

    /// A JSON Pointer made from unescaped parts.
    #[must_use]
    pub fn pointer<S: AsRef<str>>(parts: &[S]) -> String {
        parts.iter().fold(String::new(), |mut pointer, part| {
            push_part(&mut pointer, part.as_ref());
            pointer
        })
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// `Ok(value)` when there are none.
    ///
    /// # Errors
    /// The issues themselves.
    pub fn or<T>(self, value: T) -> Result<T, Self> {
        if self.0.is_empty() {
            Ok(value)
        } else {
            Err(self)
        }
    }

    /// The issues.
    #[must_use]
    pub fn into_vec(self) -> Vec<ConfigIssue> {
        self.0
    }
}

/// Creates a plugin from a configuration text, exactly as a component does. A key that nothing
/// reads is an issue as well, with or without `deny_unknown_fields`: a misspelt key must not be
/// ignored.
///
/// # Errors
/// The issues of the configuration.
pub fn configure<P: Plugin>(config: &str) -> Result<P, ConfigIssues> {
    let mut issues = ConfigIssues::new();
    let text = &mut serde_json::Deserializer::from_str(config);
    let mut unread = |path: serde_ignored::Path<'_>| {
        issues.add(pointer_of_unread(&path), "there is no such key")
    };
    let text = serde_ignored::Deserializer::new(text, &mut unread);
    let parsed: P::Config = serde_path_to_error::deserialize(text).map_err(|error| {
        let path = pointer_of(error.path());
        ConfigIssues::one(path, error.into_inner().to_string())
    })?;
    match P::new(parsed) {
        Ok(plugin) => issues.or(plugin),
        Err(more) => {
            issues.0.extend(more.0);
            Err(issues)
        }
    }
}

fn pointer_of_unread(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}/{index}", pointer_of_unread(parent)),
        Path::Map { parent, key } => {
            let mut pointer = pointer_of_unread(parent);
            push_part(&mut pointer, key);
            pointer
        }
        Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => pointer_of_unread(parent),
    }
}

fn pointer_of(path: &serde_path_to_error::Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => {
                // Writing to a String cannot fail.
                let _ = write!(pointer, "/{index}");
            }
            Segment::Map { key } => push_part(&mut pointer, key),
            Segment::Enum { variant } => push_part(&mut pointer, variant),
            Segment::Unknown => {}
        }
    }
    pointer
}

fn push_part(pointer: &mut String, part: &str) {
    pointer.push('/');
    pointer.push_str(&part.replace('~', "~0").replace('/', "~1"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Sample;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Config {
        #[serde(default)]
        limits: Vec<Limit>,
    }

    #[derive(Debug, Deserialize)]
    struct Limit {
        max: u32,
    }

    impl Plugin for Sample {
        const INFO: Info = Info::new("sample", "0.1.0", "For tests.");
        type Config = Config;

        fn new(config: Config) -> Result<Self, ConfigIssues> {
            let mut issues = ConfigIssues::new();
            for (index, limit) in config.limits.iter().enumerate() {
                if limit.max == 0 {
                    issues.add(format!("/limits/{index}/max"), "must be at least 1");
                }
            }
            issues.or(Self)
        }
    }

    fn paths(config: &str) -> Vec<String> {
        configure::<Sample>(config)
            .expect_err("a refusal")
            .into_vec()
            .into_iter()
            .map(|issue| issue.path)
            .collect()
    }

    #[test]
    fn a_type_error_names_its_place() {
        assert_eq!(
            paths(r#"{"limits":[{"max":1},{"max":"2"}]}"#),
            ["/limits/1/max"]
        );
    }

    #[test]
    fn the_plugin_reports_every_issue_at_once() {
        assert_eq!(
            paths(r#"{"limits":[{"max":0},{"max":1},{"max":0}]}"#),
            ["/limits/0/max", "/limits/2/max"]
        );
    }

    #[test]
    fn a_key_that_nothing_reads_is_an_issue_beside_the_others() {
        assert_eq!(
            paths(r#"{"limits":[{"max":1,"mx/":2},{"max":0}]}"#),
            ["/limits/0/mx~1", "/limits/1/max"]
        );
    }

    #[test]
    fn text_that_is_no_json_is_an_issue_of_the_whole() {
        assert_eq!(paths("not json"), [""]);
        assert!(configure::<Sample>("{}").is_ok());
    }

    #[test]
    fn a_pointer_escapes_keys() {
        assert_eq!(
            ConfigIssues::pointer(&["templates", "a/b~c"]),
            "/templates/a~1b~0c"
        );
    }
}
