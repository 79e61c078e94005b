//! JSON that a page has written. A JavaScript string may contain half a surrogate pair (an emoji
//! that somebody cut in two). JavaScript writes it as an escape sequence that no parser here
//! accepts, so one such half would make the whole text unreadable.

use std::borrow::Cow;

use serde::de::DeserializeOwned;

/// Reads JSON that a page has written; half a surrogate pair becomes U+FFFD.
///
/// # Errors
/// When the text is not JSON, or not what `T` expects.
pub fn read_json<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    serde_json::from_str(&well_formed(text))
}

/// The JSON with each escape of half a surrogate pair replaced by U+FFFD.
fn well_formed(json: &str) -> Cow<'_, str> {
    if !json.contains("\\ud") && !json.contains("\\uD") {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let taken = match (unit(escape), escape.get(6..).and_then(unit)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
            (Some(0xD800..=0xDFFF), _) => {
                out.push_str("\\ufffd");
                rest = escape.get(6..).unwrap_or_default();
                continue;
            }
            (Some(_), _) => 6,
            // A backslash, and the character that it escapes.
            (None, _) => 1 + escape.chars().nth(1).map_or(0, char::len_utf8),
        };
        let (taken, behind) = escape.split_at(taken);
        out.push_str(taken);
        rest = behind;
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// The UTF-16 code unit of the escape at the start of the text.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    digits
        .bytes()
        .all(|digit| digit.is_ascii_hexdigit())
        .then(|| u16::from_str_radix(digits, 16).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn half_a_pair_is_replaced_and_nothing_else_is() {
        for (json, text) in [
            (r#""a\ud83d""#, "a\u{FFFD}"),
            (r#""\ude00b""#, "\u{FFFD}b"),
            (r#""\uD83D\uDE00""#, "😀"),
            (r#""\ud83d\ud83d\ude00""#, "\u{FFFD}😀"),
            (r#""\ud83d\n""#, "\u{FFFD}\n"),
            (r#""\\ud83d""#, "\\ud83d"),
            (r#""\\\ud83d""#, "\\\u{FFFD}"),
            (r#""😀\u00e9\ud83d""#, "😀é\u{FFFD}"),
        ] {
            assert_eq!(read_json::<String>(json).expect(json), text, "{json}");
        }
        for json in [r#""\ud83"#, r#""\"#, r#""\ud83d"#, r#""\ud+12""#] {
            assert!(read_json::<String>(json).is_err(), "{json}");
        }
    }

    proptest! {
        /// Any UTF-16 code units, half of them surrogates, written as a page escapes them.
        #[test]
        fn whatever_units_a_page_escapes_are_read(units in proptest::collection::vec(prop_oneof![any::<u16>(), 0xD800..=0xDFFFu16], 0..40)) {
            let json = units.iter().fold(String::from("\""), |json, unit| format!("{json}\\u{unit:04x}")) + "\"";
            prop_assert_eq!(read_json::<String>(&json).expect("read"), String::from_utf16_lossy(&units));
        }
    }
}
