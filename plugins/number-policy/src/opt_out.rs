//! The opt-out list: one key in storage per recipient who wants no messages.
//!
//! A key `optout/<digits>` is all that counts, so an operator can write or delete it by hand. People known
//! only by their opaque id have `optout/<id>@lid`; both forms are written when both are known.

use serde_json::json;
use wharf_plugin::{Address, ConfigIssues, Content, Envelope, Error, Event, InboundMessage, Rejection, kv, log};

use crate::config;

#[derive(Debug)]
pub(crate) struct OptOut {
    stop: Vec<String>,
    start: Vec<String>,
}

impl OptOut {
    pub(crate) fn new(config: config::OptOut, issues: &mut ConfigIssues) -> Self {
        let mut words = |key: &str, words: Vec<String>| {
            let words: Vec<String> = words.iter().map(|word| plain(word)).collect();
            // Without a letter or digit nothing is left of it, and nobody could ever opt out by it.
            for index in (0..words.len()).filter(|index| words.get(*index).is_some_and(String::is_empty)) {
                issues.add(format!("/opt_out/{key}/{index}"), "has no letter and no digit, so no message can match it");
            }
            words
        };
        Self { stop: words("stop_words", config.stop_words), start: words("start_words", config.start_words) }
    }

    /// Takes note of a person's "STOP" or "START".
    pub(crate) fn observe(&self, envelope: &Envelope) -> Result<(), Error> {
        let Event::MessageReceived(message) = &envelope.event else { return Ok(()) };
        let Some(word) = word(message) else { return Ok(()) };
        if self.stop.contains(&word) {
            let note = json!({"since": message.sent_at, "by": "message"}).to_string();
            for key in keys(&message.sender) {
                kv::set(&key, note.as_bytes(), None)?;
            }
            log::info("a recipient opted out", &[]);
        } else if self.start.contains(&word) {
            for key in keys(&message.sender) {
                kv::delete(&key)?;
            }
            log::info("a recipient opted in again", &[]);
        }
        Ok(())
    }
}

pub(crate) fn refusal(to: &Address) -> Result<Option<Rejection>, Error> {
    for key in keys(to) {
        if kv::get(&key)?.is_some() {
            return Ok(Some(Rejection::new("opted_out", "the recipient wants no messages")));
        }
    }
    Ok(None)
}

/// The keys of a person; none for a group.
fn keys(address: &Address) -> Vec<String> {
    let lid = address.lid.as_deref().or_else(|| address.chat.ends_with("@lid").then_some(address.chat.as_str()));
    address.number().into_iter().chain(lid).map(|id| format!("optout/{id}")).collect()
}

/// The one word a person wrote to this account, plain.
fn word(message: &InboundMessage) -> Option<String> {
    let direct = message.chat.chat.ends_with("@c.us") || message.chat.chat.ends_with("@lid");
    match &message.content {
        Content::Text(text) if direct && !message.from_me => Some(plain(&text.body)).filter(|word| !word.is_empty()),
        _ => None,
    }
}

/// Lower case, without what people put around a word.
fn plain(text: &str) -> String {
    text.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase()
}
