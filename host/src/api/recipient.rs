//! Parses recipients in calls: of messages, mentions, pairing codes and searches.
//!
//! A JSON number is read from its digits in the body: converted to floating point, it could already
//! be a different number.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{
    Deserialize, Deserializer,
    de::{Error, Unexpected, Visitor},
};

use super::error::ApiError;
use crate::model::{InvalidRecipient, PhoneNumber, Recipient, Region};

/// A recipient as a caller wrote it: a string, or a whole JSON number.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct RawRecipient(String);

impl fmt::Debug for RawRecipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RawRecipient")
    }
}

impl<'de> Deserialize<'de> for RawRecipient {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RawRecipientVisitor;

        impl Visitor<'_> for RawRecipientVisitor {
            type Value = RawRecipient;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, such as \"+49 151 23456789\", or a whole number")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<RawRecipient, E> {
                Ok(RawRecipient(text.to_owned()))
            }

            fn visit_bytes<E: Error>(self, digits: &[u8]) -> Result<RawRecipient, E> {
                let json = std::str::from_utf8(digits).unwrap_or_default();
                let whole = json
                    .starts_with(|c: char| c.is_ascii_digit())
                    .then(|| whole(json))
                    .flatten();
                whole
                    .map(RawRecipient)
                    .ok_or_else(|| E::invalid_value(Unexpected::Bytes(digits), &self))
            }
        }

        deserializer.deserialize_bytes(RawRecipientVisitor)
    }
}

impl JsonSchema for RawRecipient {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Recipient".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": ["string", "integer"], "minLength": 1, "minimum": 0, "examples": ["+49 151 23456789", "77@lid"]})
    }
}

impl RawRecipient {
    /// The recipient as it was written.
    pub(super) fn text(&self) -> &str {
        &self.0
    }
}

impl From<String> for RawRecipient {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// The digits of a JSON number that is not negative; none when it is not whole or is longer than
/// any phone number.
pub(super) fn whole(json: &str) -> Option<String> {
    /// More digits than any number on WhatsApp has.
    const LONGEST: usize = 32;
    let (mantissa, exponent) = json.split_once(['e', 'E']).unwrap_or((json, "0"));
    let (units, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent: i32 = exponent.parse().ok()?;
    let point = i32::try_from(units.len()).ok()?.checked_add(exponent)?;
    let digits = format!("{units}{fraction}");
    let point = usize::try_from(point)
        .ok()
        .filter(|point| *point <= LONGEST)?;
    let zeros = |text: &str| text.bytes().all(|digit| digit == b'0');
    match digits.get(point..) {
        Some(rest) => zeros(rest).then(|| digits[..point].to_owned()),
        None => Some(format!("{digits:0<point$}")),
    }
}

/// Parses a recipient. `region` completes national numbers.
pub(super) fn read(region: Option<Region>, written: &str) -> Result<Recipient, ApiError> {
    Ok(Recipient::read(written, region)?)
}

/// Parses a recipient that must be a phone number.
pub(super) fn number(region: Option<Region>, written: &str) -> Result<PhoneNumber, ApiError> {
    match read(region, written)? {
        Recipient::Number(number) => Ok(number),
        Recipient::Chat(_) => Err(InvalidRecipient::NotUnderstood(
            "it must be a phone number; this is the id of a chat".into(),
        )
        .into()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{super::object, *};

    #[test]
    fn json_numbers_are_read_when_they_are_whole() {
        for (json, want) in [
            ("4915123456789", Some("4915123456789")),
            ("4915123456789.0", Some("4915123456789")),
            ("4.915123456789e12", Some("4915123456789")),
            ("49151234567890E-1", Some("4915123456789")),
            ("4915e3", Some("4915000")),
            ("\"+49 151\"", Some("+49 151")),
            ("491512345678.9", None),
            // Rounded to floating point it would be a whole number, and somebody else's.
            ("491512345678.99999999", None),
            ("4.915123456789e11", None),
            ("1e400", None),
            ("-4915123456789", None),
            ("true", None),
            ("[4915]", None),
        ] {
            let body = format!("{{\"to\": {json}}}");
            let read = object::from_slice::<BTreeMap<String, RawRecipient>>(body.as_bytes());
            assert_eq!(
                read.ok()
                    .and_then(|mut to| to.remove("to"))
                    .map(|written| written.0)
                    .as_deref(),
                want,
                "{json}"
            );
        }
    }

    #[derive(Deserialize)]
    struct Cases {
        recipients: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        region: Option<String>,
        json: String,
        right: Vec<String>,
    }

    #[test]
    fn the_fields_cases_are_read_rightly() {
        let cases: Cases =
            serde_json::from_str(include_str!("../../../tests/cases/recipients.json"))
                .expect("cases");
        assert_eq!(cases.recipients.len(), 27);
        for Case {
            region,
            json,
            right,
        } in cases.recipients
        {
            let region = region.map(|region| region.parse().expect("region"));
            let body = format!("{{\"to\": {json}}}");
            let written = object::from_slice::<BTreeMap<String, RawRecipient>>(body.as_bytes())
                .ok()
                .and_then(|mut to| to.remove("to"));
            let read = written
                .and_then(|written| Recipient::read(written.text(), region).ok())
                .map(|recipient| recipient.to_string());
            let read = read.map_or("refuse".into(), |text| {
                text.strip_suffix("@lid")
                    .map_or(text.clone(), |id| format!("lid:{id}"))
            });
            assert!(
                right.contains(&read),
                "{json} is read as {read}, right is {right:?}"
            );
        }
    }
}
