//! Texts that a plugin gives about itself, a message or a receiver, made safe for log lines,
//! responses and database rows.
//!
//! They reach the log on an operator's terminal, responses of the API, rows of the database and
//! pages that show them. So they are cut and escaped once, where they enter the gateway, and the
//! type guarantees it: a [`PluginText`] cannot be created in another way. The content of a message
//! that a plugin creates is not such a text: it keeps its lines, and the limits of message bodies
//! apply to it.

use std::{fmt, ops::Deref};

use serde::Serialize;

/// The most bytes of a reason or a description.
const MAX_TEXT: usize = 1024;
/// The most bytes of the reason why a plugin could not be loaded. It may list every fault of a
/// configuration.
pub(super) const MAX_REASON: usize = 4096;
/// The most bytes of the name of a variable or a template, or of a version.
pub(super) const MAX_NAME: usize = 128;
/// The most bytes of a code.
const MAX_CODE: usize = 64;
/// The most bytes of the name of a target.
const MAX_TARGET: usize = 200;

/// A text of a plugin for people: one line of at most 1 KiB, without control characters and
/// characters that change the writing direction.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct PluginText(String);

impl PluginText {
    /// The text, escaped and cut to `most` bytes. One that was cut ends with `…`.
    pub(super) fn truncated(most: usize, original: &str) -> Self {
        let room = most.saturating_sub(ELLIPSIS.len());
        let mut text = String::with_capacity(original.len().min(most));
        // The length to cut to, should the text turn out too long.
        let mut cut = 0;
        for character in original.trim().chars() {
            if misleads(character) {
                text.extend(character.escape_default());
            } else {
                text.push(character);
            }
            if text.len() <= room {
                cut = text.len();
            }
            if text.len() > most {
                text.truncate(cut);
                text.push_str(ELLIPSIS);
                break;
            }
        }
        Self(text)
    }
}

impl From<&str> for PluginText {
    fn from(text: &str) -> Self {
        Self::truncated(MAX_TEXT, text)
    }
}

const ELLIPSIS: &str = "…";

/// Whether a character can make a line look like something else: it ends the line, moves the
/// cursor, changes colours or the writing direction, or is invisible. The joiners that emojis and
/// Persian need are not among them.
fn misleads(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The reason of a rejection for programs: `snake_case` of at most 64 bytes.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Code(String);

impl Code {
    /// The code in place of one that cannot be used.
    const UNNAMED: &'static str = "rejected";
}

impl From<&str> for Code {
    /// Upper case becomes lower case, and every other character but letters, digits and `_` becomes
    /// `_`. A code that is empty or too long becomes `rejected`. It is not cut, because the rest
    /// could be another code; and it is no failure of the plugin, because with `on_error = "allow"`
    /// the rejected message would then be sent.
    fn from(code: &str) -> Self {
        if code.is_empty() || code.len() > MAX_CODE {
            return Self(Self::UNNAMED.into());
        }
        Self(
            code.chars()
                .map(|c| {
                    if c.is_ascii_alphanumeric() {
                        c.to_ascii_lowercase()
                    } else {
                        '_'
                    }
                })
                .collect(),
        )
    }
}

/// The name that a notifier gives a receiver. It is never changed: a name that cannot be used is
/// refused.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct TargetName(String);

impl std::str::FromStr for TargetName {
    type Err = PluginText;

    /// # Errors
    /// A name that is empty, too long, or has invisible characters. It is not corrected, because
    /// another name is another receiver.
    fn from_str(name: &str) -> Result<Self, PluginText> {
        if name.is_empty() || name.len() > MAX_TARGET {
            return Err(format!(
                "it named a target whose name has {} bytes; a name has 1 to {MAX_TARGET}",
                name.len()
            )
            .as_str()
            .into());
        }
        if name.chars().any(misleads) {
            let name = PluginText::truncated(MAX_TARGET, name);
            return Err(format!(
                "it named a target \"{name}\", whose name has characters that are not seen"
            )
            .as_str()
            .into());
        }
        Ok(Self(name.to_owned()))
    }
}

/// Implements what these types have in common: read access to the text.
macro_rules! text {
    ($($name:ident),+) => {$(
        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl Deref for $name {
            type Target = str;
            fn deref(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                self.0 == *other
            }
        }
        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }
    )+};
}
text!(PluginText, Code, TargetName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_one_bounded_line_without_what_is_not_seen() {
        for (words, said) in [
            ("as it is, ä and 👩‍👩‍👧 too", "as it is, ä and 👩‍👩‍👧 too"),
            ("  around \n", "around"),
            (
                "one\nINFO wharf: forged\r\n\ttwo",
                "one\\nINFO wharf: forged\\r\\n\\ttwo",
            ),
            (
                "\u{1b}[31mred\u{7}\u{9b}2J",
                "\\u{1b}[31mred\\u{7}\\u{9b}2J",
            ),
            (
                "txt.\u{202e}exe\u{2066}\u{2028}\u{200b}\u{feff}",
                "txt.\\u{202e}exe\\u{2066}\\u{2028}\\u{200b}\\u{feff}",
            ),
            ("\0", "\\u{0}"),
        ] {
            assert_eq!(PluginText::from(words), said);
            assert_eq!(
                PluginText::from(&*PluginText::from(words)),
                said,
                "cleaned twice it is the same"
            );
        }
    }

    #[test]
    fn what_is_cut_says_so_and_is_never_longer_than_it_may_be() {
        for (words, most, said) in [
            ("abcdef", 6, "abcdef"),
            ("abcdefg", 6, "abc…"),
            ("ääää", 7, "ää…"),
            ("a\n\n\n", 5, "a…"),
            ("ab\u{202e}cd", 9, "ab…"),
        ] {
            let words = if words.ends_with('\n') {
                format!("{words}b")
            } else {
                words.to_owned()
            };
            assert_eq!(
                PluginText::truncated(most, &words),
                said,
                "{words:?} in {most}"
            );
        }
        for character in ["x", "ä", "👩", "\n", "\u{202e}"] {
            let said = PluginText::from(character.repeat(2 << 20).trim_matches(' '));
            assert!(
                said.len() <= MAX_TEXT && said.len() + 12 > MAX_TEXT || said.is_empty(),
                "{character:?}: {}",
                said.len()
            );
        }
    }

    #[test]
    fn codes_are_snake_case_and_never_cut() {
        for (code, made) in [
            ("quiet_hours", "quiet_hours"),
            ("Quiet Hours!", "quiet_hours_"),
            ("", "rejected"),
            ("a\nb\u{1b}", "a_b_"),
            ("é", "_"),
        ] {
            assert_eq!(Code::from(code), made);
        }
        assert_eq!(Code::from(&*"x".repeat(64)).len(), 64);
        assert_eq!(Code::from(&*"x".repeat(65)), "rejected");
    }

    #[test]
    fn a_target_is_named_in_full_or_not_at_all() {
        let named = |name: &str| name.parse::<TargetName>();
        assert_eq!(named("crm/eu 1").expect("good"), "crm/eu 1");
        assert!(named("").is_err() && named(&"x".repeat(201)).is_err());
        let refused = named("a\nb").expect_err("two lines");
        assert!(refused.contains("\"a\\nb\""), "{refused}");
    }
}
