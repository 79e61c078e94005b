//! The address of a chat or a person, in WhatsApp's own ids.
//!
//! WhatsApp is moving from phone numbers (`…@c.us`) to opaque ids (`…@lid`), so an [`Address`]
//! carries both forms as far as they are known.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{PhoneNumber, Recipient};

/// Who or where, in both forms when both are known.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Address {
    /// The chat: `15551234567@c.us`, `…@lid`, `…@g.us`, `…@newsletter`, `status@broadcast`.
    pub chat: String,
    /// The phone-number form, `…@c.us`, when known.
    pub pn: Option<String>,
    /// The opaque form, `…@lid`, when known.
    pub lid: Option<String>,
}

impl Address {
    /// The address of a phone number before it is looked up.
    #[must_use]
    pub fn of_number(number: &PhoneNumber) -> Self {
        let wid = format!("{number}@c.us");
        Self {
            chat: wid.clone(),
            pn: Some(wid),
            lid: None,
        }
    }

    /// What is known about a recipient before it is looked up.
    #[must_use]
    pub fn of(recipient: &Recipient) -> Self {
        match recipient {
            Recipient::Number(number) => Self::of_number(number),
            Recipient::Chat(chat) => {
                let chat = chat.as_str().to_owned();
                Self {
                    pn: None,
                    lid: chat.ends_with("@lid").then(|| chat.clone()),
                    chat,
                }
            }
        }
    }

    /// The phone number, when it is known.
    #[must_use]
    pub fn number(&self) -> Option<PhoneNumber> {
        self.pn.as_deref()?.strip_suffix("@c.us")?.parse().ok()
    }
}
