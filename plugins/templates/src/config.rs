//! The `[plugin.config]` table, and the checks that its schema cannot express.

use std::collections::BTreeMap;

use serde::Deserialize;
use wharf_plugin::{ConfigIssues, VariableKind};

use crate::{locale, variables};

/// The gateway's own limit of a text, in UTF-16 units.
const GATEWAY_LIMIT: usize = 4096;

/// See `config.schema.json` for the meaning, unit and range of each key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    #[serde(default = "english")]
    pub(crate) default_locale: String,
    #[serde(default = "gateway_limit")]
    pub(crate) max_length: usize,
    #[serde(default)]
    pub(crate) templates: BTreeMap<String, Template>,
}

/// One template.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Template {
    /// The texts by locale.
    pub(crate) bodies: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) variables: BTreeMap<String, Variable>,
    #[serde(default)]
    pub(crate) preview_links: bool,
}

/// The definition of a variable.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Variable {
    pub(crate) kind: Kind,
    #[serde(default)]
    pub(crate) required: Option<bool>,
    #[serde(default)]
    pub(crate) default: Option<serde_json::Value>,
    #[serde(default)]
    pub(crate) max_length: Option<usize>,
}

/// The type of a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Text,
    Integer,
    Number,
    Boolean,
    Json,
}

impl From<Kind> for VariableKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Text => Self::Text,
            Kind::Integer => Self::Integer,
            Kind::Number => Self::Number,
            Kind::Boolean => Self::Boolean,
            Kind::Json => Self::Json,
        }
    }
}

fn english() -> String {
    "en".into()
}

fn gateway_limit() -> usize {
    GATEWAY_LIMIT
}

impl Config {
    pub(crate) fn check(&self, issues: &mut ConfigIssues) {
        if !locale::is_tag(&self.default_locale) {
            issues.add("/default_locale", locale::NO_TAG);
        }
        if !(1..=65_536).contains(&self.max_length) {
            issues.add("/max_length", "must be 1 to 65536 UTF-16 units");
        }
        for (name, template) in &self.templates {
            template.check(name, &self.default_locale, issues);
        }
    }
}

impl Template {
    fn check(&self, name: &str, default_locale: &str, issues: &mut ConfigIssues) {
        for locale in self.bodies.keys().filter(|locale| !locale::is_tag(locale)) {
            issues.add(
                ConfigIssues::pointer(&["templates", name, "bodies", locale]),
                locale::NO_TAG,
            );
        }
        if locale::find(&self.bodies, default_locale).is_none() {
            let message = format!(
                "has no body for the default locale {default_locale:?}, so there would be nothing to fall back to"
            );
            issues.add(
                ConfigIssues::pointer(&["templates", name, "bodies"]),
                message,
            );
        }
        for (variable_name, variable) in &self.variables {
            variable.check(&["templates", name, "variables", variable_name], issues);
        }
    }
}

impl Variable {
    pub(crate) fn is_required(&self) -> bool {
        self.required.unwrap_or(self.default.is_none())
    }

    fn check(&self, at: &[&str], issues: &mut ConfigIssues) {
        let path = |key: &str| ConfigIssues::pointer(&[at, &[key]].concat());
        if self.required == Some(true) && self.default.is_some() {
            issues.add(
                path("default"),
                "a required variable has no use for a default",
            );
        }
        if self.max_length.is_some() && self.kind != Kind::Text {
            issues.add(path("max_length"), "only text has a length");
        }
        if let Some(default) = &self.default
            && let Err(reason) = variables::of_json(self, default)
        {
            issues.add(path("default"), reason);
        }
    }
}
