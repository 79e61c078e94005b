use wharf_plugin::prelude::*;

#[derive(Debug)]
pub struct WordFilter(Config);

#[derive(Debug, Deserialize)]
pub struct Config {
    words: Vec<String>,
}

impl Plugin for WordFilter {
    const INFO: Info = Info::new(
        "word-filter",
        "0.1.0",
        "Stops messages that contain a banned word.",
    );
    type Config = Config;

    fn new(config: Config) -> Result<Self, ConfigIssues> {
        Ok(Self(config))
    }
}

impl Validator for WordFilter {
    fn validate(&self, _: &CallContext, message: &OutboundMessage) -> Result<Verdict, Error> {
        let body = message.content.body().unwrap_or_default();
        let banned = self.0.words.iter().any(|word| body.contains(word));
        Ok(if banned {
            Rejection::new("banned_word", "the message contains a banned word").into()
        } else {
            Verdict::Allow
        })
    }
}

wharf_plugin::export!(WordFilter: validator);
