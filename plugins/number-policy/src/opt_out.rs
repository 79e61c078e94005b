//! The opt-out list: one key in storage for each recipient who wants no messages.
//!
//! Only the existence of the key `optout/<digits>` counts, so an operator can write or delete it by
//! hand. A person known only by an opaque id has `optout/<id>@lid`; both keys are written when both
//! forms are known.
//!
//! The most recent word counts, by the time at which it was written and not at which it arrives
//! here: events can arrive late and out of order, for instance after this plugin has failed. So a
//! START is remembered for a while under `optin/…`.

use std::time::Duration;

use serde_json::json;
use wharf_plugin::{
    Address, ConfigIssues, Content, Envelope, Error, Event, InboundMessage, Rejection, kv, log,
};

use crate::config;

/// How long a START is remembered. It is longer than any event waits for its delivery (`[delivery]
/// max_age`, 3 days by default).
const REMEMBERED: Duration = Duration::from_secs(30 * 86_400);

#[derive(Debug)]
pub(crate) struct OptOut {
    stop: Vec<String>,
    start: Vec<String>,
}

impl OptOut {
    pub(crate) fn new(config: config::OptOut, issues: &mut ConfigIssues) -> Self {
        let mut words = |key: &str, words: Vec<String>| {
            let words: Vec<String> = words.iter().map(|word| plain(word)).collect();
            // A word without a letter or digit becomes empty, and no message could ever match it.
            for index in
                (0..words.len()).filter(|index| words.get(*index).is_some_and(String::is_empty))
            {
                issues.add(
                    format!("/opt_out/{key}/{index}"),
                    "has no letter and no digit, so no message can match it",
                );
            }
            words
        };
        Self {
            stop: words("stop_words", config.stop_words),
            start: words("start_words", config.start_words),
        }
    }

    /// Records a person's "STOP" or "START".
    pub(crate) fn observe(&self, envelope: &Envelope) -> Result<(), Error> {
        let Event::MessageReceived(message) = &envelope.event else {
            return Ok(());
        };
        let Some(word) = word(message) else {
            return Ok(());
        };
        let note = json!({"since": message.sent_at, "by": "message"}).to_string();
        let (stop, start) = (self.stop.contains(&word), self.start.contains(&word));
        if !stop && !start {
            return Ok(());
        }
        let mut is_recorded = false;
        for id in ids(&message.sender) {
            if said_later(&opt_in(&id), message.sent_at)?
                || said_later(&opt_out(&id), message.sent_at)?
            {
                continue;
            }
            if stop {
                kv::set(&opt_out(&id), note.as_bytes(), None)?;
            } else {
                kv::delete(&opt_out(&id))?;
                kv::set(&opt_in(&id), note.as_bytes(), Some(REMEMBERED))?;
            }
            is_recorded = true;
        }
        if is_recorded {
            log::info(
                if stop {
                    "a recipient opted out"
                } else {
                    "a recipient opted in again"
                },
                &[],
            );
        }
        Ok(())
    }
}

/// Whether the key records a message written after `at`. A key written by hand has no time.
fn said_later(key: &str, at: u64) -> Result<bool, Error> {
    let note = kv::get(key)?
        .and_then(|entry| serde_json::from_slice::<serde_json::Value>(&entry.value).ok());
    Ok(note
        .and_then(|note| note.get("since")?.as_u64())
        .is_some_and(|since| since > at))
}

pub(crate) fn refusal(to: &Address) -> Result<Option<Rejection>, Error> {
    for id in ids(to) {
        if kv::get(&opt_out(&id))?.is_some() {
            return Ok(Some(Rejection::new(
                "opted_out",
                "the recipient wants no messages",
            )));
        }
    }
    Ok(None)
}

fn opt_out(id: &str) -> String {
    format!("optout/{id}")
}

fn opt_in(id: &str) -> String {
    format!("optin/{id}")
}

/// The ids of a person in the list; empty for a group.
fn ids(address: &Address) -> Vec<String> {
    let lid = address.lid.as_deref().or_else(|| {
        address
            .chat
            .ends_with("@lid")
            .then_some(address.chat.as_str())
    });
    address
        .number()
        .into_iter()
        .chain(lid)
        .map(str::to_owned)
        .collect()
}

/// The normalised text that a person wrote directly to this account; none for anything else.
fn word(message: &InboundMessage) -> Option<String> {
    let direct = message.chat.chat.ends_with("@c.us") || message.chat.chat.ends_with("@lid");
    match &message.content {
        Content::Text(text) if direct && !message.from_me => {
            Some(plain(&text.body)).filter(|word| !word.is_empty())
        }
        _ => None,
    }
}

/// The text in lower case, without leading and trailing characters that are neither letters nor
/// digits.
fn plain(text: &str) -> String {
    text.trim_matches(|c: char| !c.is_alphanumeric())
        .to_lowercase()
}
