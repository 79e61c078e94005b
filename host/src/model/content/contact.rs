//! A contact card.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    kind::{Asked, ContentCode, InvalidContent, Kind, forms, opaque},
    vcard,
};
use crate::model::region::Region;

/// Maximum size of a contact card in bytes.
const MAX_VCARD: usize = 64 << 10;
/// Maximum length of the name in bytes.
const MAX_NAME: usize = 1000;

const INVALID_CONTACT: ContentCode = ContentCode::new("invalid_contact", "Invalid contact");

/// A contact card.
#[derive(Clone, PartialEq, Eq)]
pub struct Contact {
    /// The name shown in the chat.
    pub display_name: String,
    /// The card: the text of a vCard.
    pub vcard: String,
}

impl Kind for Contact {
    type Asked = ContactFields;
    type Shown = ContactFields;
    forms!(stored: 1 => Stored1; bridge: Bridge);

    fn body(&self) -> Option<&str> {
        None
    }

    fn conceal(&mut self) {
        self.display_name.clear();
        self.vcard.clear();
    }

    fn shown(&self) -> ContactFields {
        let Self {
            display_name,
            vcard,
        } = self.clone();
        ContactFields {
            display_name,
            vcard,
        }
    }
}

opaque!(ContactFields);

#[derive(Serialize, Deserialize)]
#[serde(remote = "Contact")]
struct Stored1 {
    display_name: String,
    vcard: String,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Contact")]
struct Bridge {
    display_name: String,
    vcard: String,
}

/// A contact card.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(rename = "Contact")]
pub struct ContactFields {
    /// The name shown in the chat; 1 to 1000 bytes.
    #[schemars(length(min = 1, max = 1000))]
    display_name: String,
    /// The text of a vCard that a phone can open; at most 64 KiB.
    #[schemars(length(min = 1, max = 65536))]
    vcard: String,
}

impl Asked<Contact> for ContactFields {
    const CODES: &'static [ContentCode] = &[INVALID_CONTACT];

    fn check(self, _: Option<Region>) -> Result<Contact, InvalidContent> {
        let Self {
            display_name,
            vcard,
        } = self;
        let wrong = |message: String| INVALID_CONTACT.because(message);
        if !(1..=MAX_NAME).contains(&display_name.len()) {
            return Err(wrong(format!(
                "contact.displayName must have 1 to {MAX_NAME} bytes"
            )));
        }
        if vcard.len() > MAX_VCARD {
            return Err(wrong(format!(
                "contact.vcard must have at most {MAX_VCARD} bytes"
            )));
        }
        vcard::check(&vcard).map_err(|why| {
            wrong(format!(
                "contact.vcard is not a card that a phone can open: {why}"
            ))
        })?;
        Ok(Contact {
            display_name,
            vcard,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_has_a_name_and_can_be_opened() {
        let card = |name: &str, vcard: &str| {
            ContactFields {
                display_name: name.into(),
                vcard: vcard.into(),
            }
            .check(None)
        };
        let good = "BEGIN:VCARD\nVERSION:3.0\nFN:Ada\nEND:VCARD\n";
        assert!(card("Ada", good).is_ok());
        assert!(card("", good).is_err() && card(&"a".repeat(MAX_NAME + 1), good).is_err());
        assert!(
            card("Ada", "FN:Ada").is_err()
                && card("Ada", &good.replace("Ada", &"a".repeat(MAX_VCARD))).is_err()
        );
    }
}
