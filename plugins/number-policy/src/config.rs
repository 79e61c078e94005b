//! The `[plugin.config]` table as it is written.

use std::collections::BTreeMap;

use serde::Deserialize;
use wharf_plugin::ConfigIssues;

/// The largest `daily_cap`. It is limited because the ids of a day are one stored value, which is
/// read for every message.
const MOST_A_DAY: u16 = 1000;

/// See `config.schema.json` for the meaning, unit and range of each key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub(crate) number_length: bool,
    pub(crate) without_number: WithoutNumber,
    pub(crate) block_prefixes: Vec<String>,
    pub(crate) block_numbers: Vec<String>,
    pub(crate) allow_prefixes: Vec<String>,
    pub(crate) allow_numbers: Vec<String>,
    pub(crate) text: Text,
    pub(crate) zone: String,
    pub(crate) fallback_zone: String,
    pub(crate) zones: BTreeMap<String, String>,
    pub(crate) quiet_hours: Vec<Window>,
    pub(crate) daily_cap: Option<u16>,
    pub(crate) opt_out: Option<OptOut>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            number_length: true,
            without_number: WithoutNumber::Allow,
            block_prefixes: Vec::new(),
            block_numbers: Vec::new(),
            allow_prefixes: Vec::new(),
            allow_numbers: Vec::new(),
            text: Text::default(),
            zone: "recipient".into(),
            fallback_zone: "UTC".into(),
            zones: BTreeMap::new(),
            quiet_hours: Vec::new(),
            daily_cap: None,
            opt_out: None,
        }
    }
}

impl Config {
    pub(crate) fn checked_daily_cap(&self, issues: &mut ConfigIssues) -> Option<u16> {
        if self
            .daily_cap
            .is_some_and(|most| !(1..=MOST_A_DAY).contains(&most))
        {
            issues.add("/daily_cap", format!("must be 1 to {MOST_A_DAY} messages"));
        }
        self.daily_cap
    }
}

/// What happens to messages to recipients whose number is not known (groups, channels, opaque ids).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum WithoutNumber {
    Allow,
    Reject,
}

/// Lengths in UTF-16 units, as WhatsApp and the gateway count.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Text {
    pub(crate) min_length: Option<u32>,
    pub(crate) max_length: Option<u32>,
    pub(crate) max_caption_length: Option<u32>,
}

/// One period of quiet hours.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Window {
    pub(crate) from: String,
    pub(crate) to: String,
    #[serde(default)]
    pub(crate) days: Option<Vec<String>>,
}

/// The words by which people opt out and in.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OptOut {
    pub(crate) stop_words: Vec<String>,
    pub(crate) start_words: Vec<String>,
}
