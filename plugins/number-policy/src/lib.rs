//! Decides which numbers may be written to, when, and how often.
//!
//! The checks run in order of cost. The daily cap is checked last, because it counts the message: a
//! message that is refused for another reason must not be counted. Every check applies to the
//! moment at which the message is sent, which is `send_at` for a scheduled one.

mod cap;
mod config;
mod country_table;
mod numbers;
mod opt_out;
mod quiet;
mod text;
mod zone;

use wharf_plugin::{AttemptResult, Envelope, HttpRequest, Judgement, Notifier, prelude::*};

pub use config::Config;

/// The plugin.
#[derive(Debug)]
pub struct NumberPolicy {
    numbers: numbers::Numbers,
    text: text::Limits,
    clock: zone::Clocks,
    quiet: quiet::QuietHours,
    daily_cap: Option<u16>,
    opt_out: Option<opt_out::OptOut>,
}

impl Plugin for NumberPolicy {
    const INFO: Info = Info::new(
        "number-policy",
        env!("CARGO_PKG_VERSION"),
        "Decides which numbers may be written to, when, and how often.",
    )
    .config_schema(include_str!("../config.schema.json"))
    .events(&["message.received"]);
    type Config = Config;

    fn new(config: Config) -> Result<Self, ConfigIssues> {
        let mut issues = ConfigIssues::new();
        let plugin = Self {
            numbers: numbers::Numbers::new(&config, &mut issues),
            text: text::Limits::new(config.text, &mut issues),
            clock: zone::Clocks::new(&config, &mut issues),
            quiet: quiet::QuietHours::new(&config.quiet_hours, &mut issues),
            daily_cap: config.checked_daily_cap(&mut issues),
            opt_out: config
                .opt_out
                .map(|config| opt_out::OptOut::new(config, &mut issues)),
        };
        issues.or(plugin)
    }
}

impl NumberPolicy {
    fn refusal(
        &self,
        ctx: &CallContext,
        message: &OutboundMessage,
    ) -> Result<Option<Rejection>, Error> {
        let number = message.to.number();
        if let Some(rejection) = self
            .numbers
            .refusal(number)
            .or_else(|| self.text.refusal(&message.content))
        {
            return Ok(Some(rejection));
        }
        if self.opt_out.is_some()
            && let Some(rejection) = opt_out::refusal(&message.to)?
        {
            return Ok(Some(rejection));
        }
        let leaves = message.send_at.unwrap_or(0).max(ctx.now);
        if self.quiet.is_empty() && self.daily_cap.is_none() {
            return Ok(None);
        }
        let clock = self.clock.of(number);
        if let Some(rejection) = self.quiet.refusal(&clock, ctx.now, leaves) {
            return Ok(Some(rejection));
        }
        match self.daily_cap {
            Some(most) => cap::refusal(most, ctx, &message.to, &clock, leaves),
            None => Ok(None),
        }
    }
}

impl Validator for NumberPolicy {
    fn validate(&self, ctx: &CallContext, message: &OutboundMessage) -> Result<Verdict, Error> {
        Ok(self
            .refusal(ctx, message)?
            .map_or(Verdict::Allow, Verdict::Reject))
    }
}

/// Keeps the opt-out list: a received message that consists of one of the configured words adds or
/// removes its sender. There are no targets, so nobody is notified.
impl Notifier for NumberPolicy {
    fn route(&self, _: &CallContext, envelope: &Envelope) -> Result<Vec<String>, Error> {
        if let Some(opt_out) = &self.opt_out {
            opt_out.observe(envelope)?;
        }
        Ok(Vec::new())
    }

    fn request(&self, _: &CallContext, target: &str, _: &Envelope) -> Result<HttpRequest, Error> {
        Err(no_target(target))
    }

    fn judge(&self, _: &CallContext, target: &str, _: &AttemptResult) -> Result<Judgement, Error> {
        Err(no_target(target))
    }
}

fn no_target(target: &str) -> Error {
    Error::InvalidInput(format!(
        "number-policy notifies nobody, so there is no target {target:?}"
    ))
}

wharf_plugin::export!(NumberPolicy: validator, notifier);

#[cfg(test)]
mod tests;
