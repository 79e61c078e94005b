//! `[send]`: limits, times and pacing of messages.

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
    /// Maximum length of a message, in UTF-16 units. Default 4096.
    pub max_length: usize,
    /// How long to wait for the server's acknowledgement before the outcome is unknown. Default
    /// 60s.
    pub ack_timeout: Millis,
    /// How long the gateway asks the page about a message whose outcome is unknown, from the time
    /// it became unknown. Afterwards the outcome is unknown permanently. Default 24h.
    pub give_up_after: Millis,
    /// How long a looked-up phone number is cached. Default 24h.
    pub address_ttl: Millis,
    /// What happens to a message that pacing, a pause or a restriction holds back while its caller
    /// waits. Default `wait`.
    pub when_busy: WhenBusy,
    /// `[send.pacing]`
    pub pacing: Pacing,
}

/// `[send.pacing]`: how fast each session sends. Messages above the limits wait. Default: no
/// limits.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pacing {
    /// Maximum number of messages per minute; 0: unlimited.
    pub per_minute: u32,
    /// Maximum number of messages per 24 hours; 0: unlimited.
    pub per_day: u32,
    /// Minimum time between the beginnings of two sends.
    pub min_gap: Millis,
    /// Maximum random time that is added to `min_gap`.
    pub jitter: Millis,
    /// Maximum number of messages per 24 hours to strangers: people who have neither received a
    /// message from the session nor written to it; 0: unlimited.
    pub cold_per_day: u32,
    /// How long the recipient is shown "typing…" for each character of the text; 0: not at all.
    pub typing: Millis,
    /// Maximum time that "typing…" is shown. Default 10s.
    pub typing_max: Millis,
    /// Maximum number of messages in the first, second, … 24 hours after a session's first message:
    /// `[20, 50, 100]`. Afterwards only `per_day` applies.
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
    /// Whether any limit is set, so that messages are sent one at a time and counted.
    #[must_use]
    pub fn counts(&self) -> bool {
        Self {
            typing_max: Self::default().typing_max,
            ..self.clone()
        } != Self::default()
    }
}

/// `[sessions.session.<id>.pacing]`: overrides keys of `[send.pacing]` for one session.
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
    /// Applies the overrides to `common`.
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

/// What happens to a message that cannot be sent immediately while its caller waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenBusy {
    /// It stays queued, and the caller waits up to `timeout`.
    #[default]
    Wait,
    /// It is refused, with the time after which the caller should try again.
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
