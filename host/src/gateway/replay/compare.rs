//! Compares an answer with the recorded one, whatever the operator's settings made of each: a
//! monitored plugin's `would_reject` is the same as `reject`. What messages say is not shown.

use crate::{
    model::OutboundMessage,
    plugins::Replayed,
    store::{CallDetails, StoredCall},
};

/// How an answer differs from the recorded one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    /// The recorded verdict, with its code.
    pub(super) from: String,
    /// The new verdict, with its code.
    pub(super) to: String,
    /// What else differs, one line each.
    pub(super) more: Vec<String>,
}

fn plain(verdict: &str) -> &str {
    verdict.strip_prefix("would_").unwrap_or(verdict)
}

fn with_code(verdict: &str, code: Option<&str>) -> String {
    code.map_or_else(|| verdict.to_owned(), |code| format!("{verdict} ({code})"))
}

/// The recorded verdict, with its code.
pub(super) fn label(call: &StoredCall) -> String {
    with_code(plain(&call.facts.verdict), call.facts.code.as_deref())
}

/// How the answer differs from the recorded one; none if it is the same.
pub(super) fn compare(call: &StoredCall, replayed: &Replayed) -> Option<Difference> {
    let (from, answer) = (label(call), &replayed.answer);
    let to = with_code(answer.verdict, answer.code.as_deref());
    let mut more = Vec::new();
    if from == to {
        if call.facts.retry_after_ms != answer.retry_after_ms {
            more.push("another time after which to try again".into());
        }
        if let Some(details) = &call.details {
            more.extend(of_details(details, replayed));
        }
        if more.is_empty() {
            return None;
        }
    } else if let Some(explanation) = &answer.explanation {
        more.push(format!("now: {explanation}"));
    }
    Some(Difference { from, to, more })
}

fn of_details(details: &CallDetails, replayed: &Replayed) -> Vec<String> {
    let answer = &replayed.answer;
    let mut more = Vec::new();
    if details.explanation != answer.explanation {
        let said = |words: &Option<String>| words.clone().unwrap_or_else(|| "nothing".into());
        more.push(format!(
            "another explanation: {} → {}",
            said(&details.explanation),
            said(&answer.explanation)
        ));
    }
    if let (Some(before), Some(now)) = (&details.changed, &answer.changed) {
        let parts = parts(before, now);
        if !parts.is_empty() {
            more.push(format!("it changed the message otherwise: {parts}"));
        }
    }
    more
}

/// The parts in which two messages differ.
fn parts(before: &OutboundMessage, now: &OutboundMessage) -> String {
    [
        (before.to != now.to, "the recipient"),
        (before.content != now.content, "the content"),
        (before.reply_to != now.reply_to, "the message it replies to"),
        (before.send_at != now.send_at, "the time of sending"),
        (before.metadata != now.metadata, "the metadata"),
    ]
    .into_iter()
    .filter_map(|(differs, part)| differs.then_some(part))
    .collect::<Vec<_>>()
    .join(", ")
}
