//! Who a message goes to: phone numbers as people write them, and WhatsApp's own ids.
//!
//! WhatsApp is moving from phone numbers (`…@c.us`) to opaque ids (`…@lid`), so an [`Address`]
//! carries both forms as far as they are known.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Who or where, in both forms when both are known.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Address {
    /// The chat: `15551234567@c.us`, `…@lid`, `…@g.us`, `…@newsletter`, `status@broadcast`.
    pub chat: String,
    /// The phone-number form, `…@c.us`, when known.
    pub pn: Option<String>,
    /// The opaque form, `…@lid`, when known.
    pub lid: Option<String>,
}

impl Address {
    /// The address of a phone number nobody has looked up yet.
    #[must_use]
    pub fn of_number(number: &PhoneNumber) -> Self {
        let wid = format!("{number}@c.us");
        Self { chat: wid.clone(), pn: Some(wid), lid: None }
    }
}

/// An international phone number: 1 to 16 digits, the first not 0, no plus sign.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PhoneNumber(String);

/// Why a text is not a phone number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a phone number is written internationally: optional '+', then 1 to 16 digits of which the first is not 0 (spaces, dots, dashes and brackets are ignored)"
)]
pub struct InvalidNumber;

impl PhoneNumber {
    /// Reads a number as people write it.
    ///
    /// Everything but digits and a leading `+` is dropped, then `^\+?[1-9]\d{0,15}$` must hold. A
    /// leading `0` is national: it is replaced by `national_prefix` (the calling code of
    /// `send.default_region`) when there is one, and refused otherwise; `00` is the international prefix then.
    ///
    /// # Errors
    /// [`InvalidNumber`] when no such number is in the text.
    pub fn parse(text: &str, national_prefix: Option<&str>) -> Result<Self, InvalidNumber> {
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        let international = text.trim_start().starts_with('+');
        let digits = match national_prefix {
            Some(prefix) if !international && digits.starts_with('0') => match digits.strip_prefix("00") {
                Some(rest) => rest.to_owned(),
                None => format!("{prefix}{}", &digits[1..]),
            },
            _ => digits,
        };
        if (1..=16).contains(&digits.len()) && !digits.starts_with('0') { Ok(Self(digits)) } else { Err(InvalidNumber) }
    }

    /// The digits, without plus.
    #[must_use]
    pub fn digits(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PhoneNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_people_write_them() {
        for (text, want) in [("+49 (151) 234-56.78", "491512345678"), ("1234567890", "1234567890"), ("1", "1")] {
            assert_eq!(PhoneNumber::parse(text, None).map(|n| n.0).as_deref(), Ok(want), "{text}");
        }
        for text in ["", "abc", "0151234", "+0123", "12345678901234567"] {
            assert_eq!(PhoneNumber::parse(text, None), Err(InvalidNumber), "{text}");
        }
    }

    #[test]
    fn a_leading_zero_is_national_only_with_a_default_region() {
        assert_eq!(PhoneNumber::parse("0151 234", Some("49")).map(|n| n.0).as_deref(), Ok("49151234"));
        assert_eq!(PhoneNumber::parse("0041 79 1", Some("49")).map(|n| n.0).as_deref(), Ok("41791"));
        assert_eq!(PhoneNumber::parse("+41 79 1", Some("49")).map(|n| n.0).as_deref(), Ok("41791"));
    }
}
