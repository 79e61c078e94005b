//! A validator made with the SDK that stops messages with a banned word: the rule that
//! `cargo xtask bench hooks` measures in several languages.

#[cfg(target_family = "wasm")]
mod guest {
    use wharf_plugin::prelude::*;

    #[derive(Debug)]
    struct BannedWords(Vec<String>);

    #[derive(Debug, Deserialize)]
    struct Config {
        words: Vec<String>,
    }

    impl Plugin for BannedWords {
        const INFO: Info = Info::new(
            "hook-rule",
            "0.1.0",
            "Stops messages that contain a banned word.",
        );
        type Config = Config;

        fn new(config: Config) -> Result<Self, ConfigIssues> {
            let words = config.words.iter().map(|word| word.to_lowercase());
            Ok(Self(words.collect()))
        }
    }

    impl Validator for BannedWords {
        fn validate(&self, _: &CallContext, message: &OutboundMessage) -> Result<Verdict, Error> {
            let body = message.content.body().unwrap_or_default().to_lowercase();
            let banned = self.0.iter().any(|word| body.contains(word.as_str()));
            Ok(if banned {
                Rejection::new("banned_word", "the message contains a banned word").into()
            } else {
                Verdict::Allow
            })
        }
    }

    wharf_plugin::export!(BannedWords: validator);
}

fn main() {}
