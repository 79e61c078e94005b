//! Separates the digits of a written number from its formatting. Any other character is an error
//! that names it.

use super::invalid::InvalidRecipient;

/// The digits of a number, and what its formatting said about them.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) digits: String,
    /// Whether a plus preceded the number.
    pub(super) plus: bool,
    /// Index in `digits` of a zero that was alone in brackets after other digits.
    pub(super) bracketed_zero: Option<usize>,
}

/// Prefixes that people paste before a number.
const PREFIXES: [&str; 4] = ["tel:", "whatsapp:", "https://wa.me/", "http://wa.me/"];

/// Removes a known prefix.
pub(super) fn bare(text: &str) -> Result<&str, InvalidRecipient> {
    let text = text.trim();
    let prefix = PREFIXES.iter().find(|prefix| {
        text.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    });
    let Some(prefix) = prefix else {
        return Ok(text);
    };
    let rest = text[prefix.len()..].trim_end_matches('/');
    match rest.find([';', '?', '#', '&', '/']) {
        Some(_) => Err(InvalidRecipient::because(format!(
            "{prefix} is followed by more than a number; give only the number"
        ))),
        None => Ok(rest),
    }
}

/// The zeros of the scripts in which people write numbers; the other nine digits follow each zero.
const ZEROS: [char; 6] = ['0', '٠', '۰', '०', '০', '０'];

fn digit(c: char) -> Option<char> {
    let zero = ZEROS
        .iter()
        .find(|zero| (**zero..).take(10).any(|known| known == c))?;
    char::from_digit(u32::from(c) - u32::from(*zero), 10)
}

fn is_dash(c: char) -> bool {
    matches!(
        c,
        '-' | '\u{2010}'
            ..='\u{2015}' | '\u{2212}' | '\u{fe58}' | '\u{fe63}' | '\u{ff0d}' | '\u{2043}'
    )
}

/// Spaces of all kinds within a line, and invisible marks.
fn is_space(c: char) -> bool {
    let mark = matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{ad}');
    mark || (c.is_whitespace()
        && !matches!(
            c,
            '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}'
        ))
}

pub(super) fn scan(text: &str) -> Result<Written, InvalidRecipient> {
    let mut written = Written::default();
    // Index of the first digit inside the open bracket.
    let mut bracket = None;
    for c in text.chars() {
        match c {
            '+' | '＋' if written.digits.is_empty() && !written.plus => written.plus = true,
            '+' | '＋' => {
                return Err(InvalidRecipient::because(
                    "a plus is allowed only in front of the number; give one number at a time",
                ));
            }
            '(' | '（' => bracket = Some(written.digits.len()),
            ')' | '）' => {
                let begun = bracket.take();
                written.bracketed_zero = written
                    .bracketed_zero
                    .or(begun.filter(|start| *start > 0 && written.digits[*start..] == *"0"));
            }
            c if digit(c).is_some() => written.digits.extend(digit(c)),
            '.' => {}
            c if is_dash(c) || is_space(c) => {}
            _ => return Err(unknown(c)),
        }
    }
    if written.digits.is_empty() {
        return Err(InvalidRecipient::because(
            "it contains no digit; write a phone number internationally, such as +49 151 23456789",
        ));
    }
    if is_decimal(text) {
        return Err(InvalidRecipient::because(
            "it is a decimal number; write a phone number without a decimal point",
        ));
    }
    Ok(written)
}

fn unknown(c: char) -> InvalidRecipient {
    let what = match c {
        '/' | ',' | ';' | '\n' | '\r' => {
            "which separates two numbers: give one number at a time".to_owned()
        }
        '#' | '*' => {
            "which belongs to an extension or a service code: messages cannot be sent to those"
                .to_owned()
        }
        c if c.is_alphabetic() => {
            "which is a letter: a number has only digits, and extensions are not supported"
                .to_owned()
        }
        _ => "which is not part of a phone number".to_owned(),
    };
    InvalidRecipient::because(format!(
        "it contains {c:?}, {what}; write it like +49 151 23456789"
    ))
}

/// Whether the text is only digits, one point and digits: programs write a number in this way if
/// they take it for an amount. A text with a leading zero is a national number instead.
fn is_decimal(text: &str) -> bool {
    let all = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    !text.starts_with('0')
        && text
            .split_once('.')
            .is_some_and(|(whole, rest)| all(whole) && all(rest))
}
