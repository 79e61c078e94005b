//! Keeps a value from formatting the message that it is inserted into.
//!
//! WhatsApp interprets `*bold*`, `_italic_`, `~struck~`, backticks, and `>`, `*`, `-`, `1.` at the
//! start of a line. A customer called `*Ada*` must not change the formatting of a message, and must
//! still read `*Ada*`. So markers are kept and get an invisible word joiner (U+2060) on both sides,
//! which separates them from the text that they would format.

use std::fmt::Write as _;

/// U+2060: invisible, no width, no line break.
const JOINER: char = '\u{2060}';

/// The value with its formatting markers neutralised.
pub(crate) fn neutral(value: &str) -> String {
    let value = value.replace("\r\n", "\n");
    let mut out = String::with_capacity(value.len() + 16);
    for (index, line) in value.split('\n').enumerate() {
        if index > 0 {
            out.push('\n');
        }
        if starts_block(line) {
            out.push(JOINER);
        }
        for word in line.split_inclusive(char::is_whitespace) {
            push_word(&mut out, word);
        }
    }
    out
}

/// Whether WhatsApp would make a line a quote or an item of a list.
fn starts_block(line: &str) -> bool {
    let line = line.trim_start();
    let after_digits = line.trim_start_matches(|c: char| c.is_ascii_digit());
    line.starts_with(['>', '*', '-'])
        || (after_digits.len() < line.len() && after_digits.starts_with('.'))
}

fn push_word(out: &mut String, word: &str) {
    // A joiner would break a link, and WhatsApp formats nothing inside one.
    if word.starts_with("https://") || word.starts_with("http://") {
        out.push_str(word);
        return;
    }
    let mut before = None;
    let mut rest = word.chars();
    while let Some(c) = rest.next() {
        let inside_word = before.is_some_and(char::is_alphanumeric)
            && rest.clone().next().is_some_and(char::is_alphanumeric);
        if c == '`' || (matches!(c, '*' | '_' | '~') && !inside_word) {
            // Writing to a String cannot fail.
            let _ = write!(out, "{JOINER}{c}{JOINER}");
        } else if !c.is_control() || c == '\t' {
            out.push(c);
        }
        before = Some(c);
    }
}

#[cfg(test)]
mod tests {
    use super::neutral;

    /// The result with `|` in place of the joiner, for readability.
    fn shown(value: &str) -> String {
        neutral(value).replace('\u{2060}', "|")
    }

    #[test]
    fn markers_are_set_apart() {
        for (value, want) in [
            ("*Ada*", "||*|Ada|*|"),
            ("say _this_", "say |_|this|_|"),
            ("~no~", "|~|no|~|"),
            ("```code```", "|`||`||`|code|`||`||`|"),
            ("a`b`c", "a|`|b|`|c"),
        ] {
            assert_eq!(shown(value), want, "{value}");
        }
    }

    #[test]
    fn lines_do_not_become_quotes_or_lists() {
        for (value, want) in [
            ("> quote", "|> quote"),
            ("- item", "|- item"),
            ("1. item", "|1. item"),
            ("  12. item", "|  12. item"),
            ("first\n* second", "first\n||*| second"),
            ("-5", "|-5"),
            ("12 pieces", "12 pieces"),
            ("a > b", "a > b"),
        ] {
            assert_eq!(shown(value), want, "{value}");
        }
    }

    #[test]
    fn words_and_links_stay_as_they_are() {
        for value in [
            "snake_case_name",
            "2*3",
            "see https://example.com/_next_/*a*",
            "Grüße, Zoë!",
            "a@b.example",
            "日本語",
            "",
        ] {
            assert_eq!(shown(value), value);
        }
    }

    #[test]
    fn control_characters_do_not_pass() {
        assert_eq!(shown("a\u{0}b\u{7}\r\nc\rd\te"), "ab\ncd\te");
    }
}
