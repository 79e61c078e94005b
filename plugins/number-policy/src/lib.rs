//! Which numbers may be written to.

use wharf_plugin::prelude::*;

/// The plugin.
#[derive(Debug)]
pub struct NumberPolicy {
    block_prefixes: Vec<String>,
}

/// Its configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    #[serde(default)]
    block_prefixes: Vec<String>,
}

impl Plugin for NumberPolicy {
    const INFO: Info = Info::new("number-policy", env!("CARGO_PKG_VERSION"), "Decides which numbers may be written to, when and how often.");
    type Config = Config;

    fn new(config: Config) -> Result<Self, ConfigIssues> {
        Ok(Self { block_prefixes: config.block_prefixes })
    }
}

impl Validator for NumberPolicy {
    fn validate(&self, _: &CallContext, message: &OutboundMessage) -> Result<Verdict, Error> {
        let Some(number) = message.to.number() else { return Ok(Verdict::Allow) };
        let blocked = self.block_prefixes.iter().find(|prefix| number.starts_with(prefix.as_str()));
        Ok(blocked.map_or(Verdict::Allow, |prefix| Rejection::new("blocked_prefix", format!("numbers that begin with {prefix} are blocked")).into()))
    }
}

wharf_plugin::export!(NumberPolicy: validator);
