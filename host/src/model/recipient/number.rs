//! Parses phone numbers as people write them.
//!
//! A library with the world's numbering plans interprets leading zeros and exit codes. It does not
//! decide whether a number exists: WhatsApp does, and knows numbers that no plan contains.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{invalid::InvalidRecipient, scan, zero};
use crate::model::Region;

/// An international phone number: 1 to 16 digits, the first not 0, no plus sign.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(into = "String", try_from = "String")]
#[schemars(inline, extend("pattern" = "^[0-9]{1,16}$"))]
pub struct PhoneNumber(String);

impl PhoneNumber {
    /// Parses a number as people write it: digits with spaces, dashes, dots and brackets between
    /// them, an optional plus in front, and an optional prefix `tel:`, `whatsapp:` or
    /// `https://wa.me/`. `00` is read as the plus; a single leading `0` is national and completed
    /// by `region`; a zero that does not belong to the international number is removed.
    ///
    /// # Errors
    /// [`InvalidRecipient::NotUnderstood`], which names the wrong part.
    pub fn read(text: &str, region: Option<Region>) -> Result<Self, InvalidRecipient> {
        let written = scan::scan(scan::bare(text)?)?;
        let digits = zero::international(&written, region)?;
        if digits.len() > 16 {
            let words = format!(
                "a phone number has at most 16 digits, but this one has {}; give one number at a time",
                digits.len()
            );
            return Err(InvalidRecipient::because(words));
        }
        digits.parse()
    }

    /// The digits, without a plus.
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

/// Accepts digits only, the form in which numbers are stored.
impl FromStr for PhoneNumber {
    type Err = InvalidRecipient;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fits = (1..=16).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_digit())
            && !text.starts_with('0');
        let words = "a phone number is written internationally: optional '+', then 1 to 16 digits of which the first is not 0";
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidRecipient::because(words))
        }
    }
}

impl From<PhoneNumber> for String {
    fn from(number: PhoneNumber) -> Self {
        number.0
    }
}

impl TryFrom<String> for PhoneNumber {
    type Error = InvalidRecipient;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}
