//! What `*` means wherever a plugin or its entry names sessions or events: any characters, or none. The webhook plugin
//! gives it the same meaning. Nothing else is special.

use std::str::FromStr;

use wildmatch::WildMatchPattern;

use crate::model::ClientId;

/// NUL, which no name has in it, in the place of a wildcard for one character: there is none.
pub(super) type Pattern = WildMatchPattern<'*', '\0'>;

/// Whether a client id can fit the pattern.
pub(super) fn can_fit_a_session(pattern: &str) -> bool {
    // A star may stand for nothing, or for one character where there is no other.
    let fixed = pattern.replace('*', "");
    if fixed.is_empty() { !pattern.is_empty() } else { ClientId::from_str(&fixed).is_ok() }
}

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
            assert_eq!(Pattern::new(pattern).matches(text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn a_pattern_that_fits_no_client_id_is_known() {
        for pattern in ["*", "**", "main", "sales-*", "*_1", "a*b*c"] {
            assert!(can_fit_a_session(pattern), "{pattern}");
        }
        for pattern in ["", "a b", "sales.*", "ä*", &"x".repeat(65)] {
            assert!(!can_fit_a_session(pattern), "{pattern}");
        }
    }
}
