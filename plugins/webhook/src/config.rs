//! The `[plugin.config]` table, and the checks that its schema cannot express.

use std::collections::BTreeMap;

use serde::Deserialize;
use wharf_plugin::ConfigIssues;

/// Headers that this plugin or the host sets.
const RESERVED: [&str; 6] = [
    "content-type",
    "content-length",
    "host",
    "connection",
    "transfer-encoding",
    "traceparent",
];

/// See `config.schema.json` for the meaning, unit and range of each key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub(crate) targets: Vec<Target>,
}

/// One receiver.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Target {
    pub(crate) name: String,
    pub(crate) url: String,
    #[serde(default = "everything")]
    pub(crate) events: Vec<String>,
    #[serde(default = "everything")]
    pub(crate) sessions: Vec<String>,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) secret_headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) hmac_secret: Option<String>,
    #[serde(default)]
    pub(crate) timeout_seconds: Option<u16>,
    #[serde(default)]
    pub(crate) retry: Retry,
}

/// When a failed delivery is retried.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Retry {
    pub(crate) policy: Policy,
    pub(crate) delay_seconds: u32,
    pub(crate) max_delay_seconds: u32,
    pub(crate) attempts: u32,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            policy: Policy::Exponential,
            delay_seconds: 2,
            max_delay_seconds: 3600,
            attempts: 15,
        }
    }
}

/// How the delay grows from attempt to attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Policy {
    Constant,
    Linear,
    Exponential,
}

fn everything() -> Vec<String> {
    vec!["*".into()]
}

impl Config {
    pub(crate) fn check(&self, issues: &mut ConfigIssues) {
        for (index, target) in self.targets.iter().enumerate() {
            let at = format!("/targets/{index}");
            if target.name.is_empty() {
                issues.add(format!("{at}/name"), "must not be empty");
            }
            if self
                .targets
                .iter()
                .take(index)
                .any(|other| other.name == target.name)
            {
                issues.add(
                    format!("{at}/name"),
                    format!("{:?} is the name of another target already", target.name),
                );
            }
            if !is_url(&target.url) {
                issues.add(format!("{at}/url"), "must be http:// or https:// with a host, without spaces and without a password in it");
            }
            target.check_headers(&at, issues);
            target.retry.check(&at, issues);
        }
    }
}

impl Target {
    fn check_headers(&self, at: &str, issues: &mut ConfigIssues) {
        for (key, names) in [
            ("headers", &self.headers),
            ("secret_headers", &self.secret_headers),
        ] {
            for name in names.keys() {
                if let Some(message) = header_fault(name) {
                    issues.add(
                        format!("{at}{}", ConfigIssues::pointer(&[key, name])),
                        message,
                    );
                }
            }
        }
        for (name, value) in &self.headers {
            if value.chars().any(|c| c.is_ascii_control() || !c.is_ascii()) {
                issues.add(
                    format!("{at}{}", ConfigIssues::pointer(&["headers", name])),
                    "the value must be printable ASCII",
                );
            }
        }
    }
}

impl Retry {
    fn check(self, at: &str, issues: &mut ConfigIssues) {
        if self.attempts == 0 {
            issues.add(format!("{at}/retry/attempts"), "must be at least 1");
        }
        if self.delay_seconds > self.max_delay_seconds {
            issues.add(
                format!("{at}/retry/delay_seconds"),
                format!(
                    "is more than max_delay_seconds: {} > {}",
                    self.delay_seconds, self.max_delay_seconds
                ),
            );
        }
    }
}

fn header_fault(name: &str) -> Option<&'static str> {
    let token = !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
    if !token {
        return Some("is no name of a header");
    }
    let lower = name.to_ascii_lowercase();
    (RESERVED.contains(&lower.as_str()) || lower.starts_with("x-webhook-"))
        .then_some("is set by the gateway and cannot be replaced")
}

fn is_url(url: &str) -> bool {
    let Some(rest) = url
        .strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))
    else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.split(':').next().unwrap_or_default();
    !host.is_empty() && !authority.contains('@') && url.chars().all(|c| c.is_ascii_graphic())
}
