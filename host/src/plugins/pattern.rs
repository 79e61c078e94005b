//! What `*` means in the events that a plugin asks for: any characters, or none. The webhook plugin
//! gives it the same meaning, and in lists of sessions it stands alone and fits them all. Nothing
//! else is special.

use wildmatch::WildMatchPattern;

/// A pattern with `*` only. The type also requires a wildcard for a single character; NUL takes its
/// place, because no name contains it.
pub(super) type Pattern = WildMatchPattern<'*', '\0'>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters_and_nothing_else_is_special() {
        for (pattern, text, fits) in [
            ("*", "message.ack", true),
            ("*", "", true),
            ("message.*", "message.ack", true),
            ("message.*", "message", false),
            ("message.ack", "message.ack", true),
            ("message", "message.ack", false),
            ("session.*", "message.ack", false),
            ("", "message.ack", false),
            ("*.ack", "message.ack", true),
            ("m*e*k", "message.ack", true),
            ("ab*ba", "aba", false),
            ("message.ac?", "message.ack", false),
            ("[a-z]*", "message.ack", false),
        ] {
            assert_eq!(
                Pattern::new(pattern).matches(text),
                fits,
                "{pattern} {text}"
            );
        }
    }
}
