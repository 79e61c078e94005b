//! How messages leave: limits, times and the pace.

use serde::Deserialize;

use super::Millis;

/// `[send]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Send {
    /// How long a caller waits for the outcome. Default 30s.
    pub timeout: Millis,
    /// Region (ISO 3166, e.g. `DE`) whose national numbers are accepted with a leading 0. Default
    /// none.
    pub default_region: Option<String>,
    /// UTF-16 units of a message. Default 4096.
    pub max_length: usize,
    /// How long to wait for the server's acknowledgement before the outcome is unknown. Default
    /// 60s.
    pub ack_timeout: Millis,
    /// How long the page is asked about a send of unknown outcome, from when it became unknown;
    /// then it is unknown for good. Default 24h.
    pub give_up_after: Millis,
    /// How long a looked-up number is believed. Default 24h.
    pub address_ttl: Millis,
    /// When the pace, a pause or a restriction holds a send back for which somebody waits. Default
    /// `wait`.
    pub when_busy: WhenBusy,
    /// `[send.pacing]`
    pub pacing: Pacing,
}

/// `[send.pacing]`: how fast each session sends. What is over the pace waits its turn. Default: as
/// fast as it goes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pacing {
    /// Messages within a minute; 0: any number.
    pub per_minute: u32,
    /// Messages within 24 hours; 0: any number.
    pub per_day: u32,
    /// Between the beginnings of two sends.
    pub min_gap: Millis,
    /// Up to so much more, by chance.
    pub jitter: Millis,
    /// Messages within 24 hours to people who have neither had a message of the session nor written
    /// to it; 0: any number.
    pub cold_per_day: u32,
    /// For every character so long, the recipient is shown that somebody types; 0: not at all.
    pub typing: Millis,
    /// At most so long. Default 10s.
    pub typing_max: Millis,
    /// Messages on the first, the second, … day of a session that sends: `[20, 50, 100]`.
    /// Afterwards `per_day` alone holds.
    pub warm_up: Vec<u32>,
}

impl Default for Pacing {
    fn default() -> Self {
        Self {
            per_minute: 0,
            per_day: 0,
            min_gap: Millis(0),
            jitter: Millis(0),
            cold_per_day: 0,
            typing: Millis(0),
            typing_max: Millis::secs(10),
            warm_up: vec![],
        }
    }
}

impl Pacing {
    /// Whether sends go one at a time and are counted.
    #[must_use]
    pub fn counts(&self) -> bool {
        Self {
            typing_max: Self::default().typing_max,
            ..self.clone()
        } != Self::default()
    }
}

/// `[sessions.session.<id>.pacing]`: what differs from `[send.pacing]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "the keys of `Pacing`")]
pub struct PacingOverride {
    pub per_minute: Option<u32>,
    pub per_day: Option<u32>,
    pub min_gap: Option<Millis>,
    pub jitter: Option<Millis>,
    pub cold_per_day: Option<u32>,
    pub typing: Option<Millis>,
    pub typing_max: Option<Millis>,
    pub warm_up: Option<Vec<u32>>,
}

impl PacingOverride {
    /// What is not said is as in `common`.
    #[must_use]
    pub fn over(&self, common: &Pacing) -> Pacing {
        Pacing {
            per_minute: self.per_minute.unwrap_or(common.per_minute),
            per_day: self.per_day.unwrap_or(common.per_day),
            min_gap: self.min_gap.unwrap_or(common.min_gap),
            jitter: self.jitter.unwrap_or(common.jitter),
            cold_per_day: self.cold_per_day.unwrap_or(common.cold_per_day),
            typing: self.typing.unwrap_or(common.typing),
            typing_max: self.typing_max.unwrap_or(common.typing_max),
            warm_up: self
                .warm_up
                .clone()
                .unwrap_or_else(|| common.warm_up.clone()),
        }
    }
}

/// What becomes of a send that somebody waits for and that could not begin at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenBusy {
    /// It waits its turn, as long as `timeout`.
    #[default]
    Wait,
    /// It is refused, with the time after which it is worth another try.
    Reject,
}

impl Default for Send {
    fn default() -> Self {
        Self {
            timeout: Millis::secs(30),
            default_region: None,
            max_length: 4096,
            ack_timeout: Millis::secs(60),
            give_up_after: Millis(86_400_000),
            address_ttl: Millis(86_400_000),
            when_busy: WhenBusy::Wait,
            pacing: Pacing::default(),
        }
    }
}
