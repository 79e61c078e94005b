//! Decides which targets an event goes to, and under which name each of them gets it.
//!
//! WAHA has other names for some events than the gateway, and two for some: a received message is
//! both `message` and `message.any`. A target gets each event once, under the first of its names
//! that the target has requested.

use wharf_plugin::{Envelope, Event};
use wildmatch::WildMatchPattern;

use crate::config::Target;

/// The names of an event, those of WAHA first.
fn names(envelope: &Envelope) -> Vec<&str> {
    let mut names = match &envelope.event {
        Event::SessionState(_) => vec!["session.status"],
        Event::MessageSent(_) => vec!["message.any"],
        Event::MessageReceived(message) if message.from_me => vec!["message.any"],
        Event::MessageReceived(_) => vec!["message", "message.any"],
        // An acknowledgement needs the id of a message.
        Event::MessageFailed(failure) if failure.id.is_some() => vec!["message.ack"],
        _ => Vec::new(),
    };
    if !names.contains(&envelope.kind.as_str()) {
        names.push(&envelope.kind);
    }
    names
}

/// The name under which this target gets this event; none when the target does not want it.
pub(crate) fn event_name<'a>(target: &Target, envelope: &'a Envelope) -> Option<&'a str> {
    // Whoever has the code can link a phone: a wildcard is no request for it.
    let is_credential =
        matches!(envelope.event, Event::Qr(_)) || envelope.kind == "session.pairing_code";
    let wanted = |pattern: &str, name: &str| match is_credential {
        true => pattern == name,
        false => matches(pattern, name),
    };
    names(envelope)
        .into_iter()
        .find(|name| target.events.iter().any(|pattern| wanted(pattern, name)))
}

/// The first name of an event.
pub(crate) fn first_name(envelope: &Envelope) -> &str {
    names(envelope).first().copied().unwrap_or(&envelope.kind)
}

pub(crate) fn wants_session(target: &Target, session: &str) -> bool {
    target
        .sessions
        .iter()
        .any(|pattern| matches(pattern, session))
}

/// Whether a text matches a pattern in which each `*` stands for any number of characters, as in
/// the gateway's own configuration. The type also requires a wildcard for a single character; NUL
/// takes its place, because no name contains it.
fn matches(pattern: &str, text: &str) -> bool {
    WildMatchPattern::<'*', '\0'>::new(pattern).matches(text)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text, want) in [
            ("*", "message.ack", true),
            ("*", "", true),
            ("message", "message", true),
            ("message", "message.ack", false),
            ("message.*", "message.ack", true),
            ("message.*", "message", false),
            ("*.ack", "message.ack", true),
            ("m*e*k", "message.ack", true),
            ("ab*ba", "aba", false),
            ("a*b*c", "acb", false),
            ("", "message", false),
            ("messag?", "message", false),
        ] {
            assert_eq!(matches(pattern, text), want, "{pattern} {text}");
        }
    }
}
