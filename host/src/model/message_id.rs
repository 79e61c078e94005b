//! The id of a WhatsApp message.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The bare id of a WhatsApp message (`3EB0…`), never the serialized key, which changes with the
/// form of the address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct MessageId(pub String);

impl MessageId {
    /// Makes an id of the form that WhatsApp Web itself uses: `3EB0` and 18 upper-case hex digits.
    /// Receivers infer the sender's platform from this form, so the gateway uses no other.
    #[must_use]
    pub fn from_random(random: [u8; 9]) -> Self {
        Self(format!("3EB0{}", hex::encode_upper(random)))
    }

    /// Parses the id that a caller writes: bare, or within a serialized key (`false_77@lid_3EB0…`),
    /// which is the form in events. `None` if the text is neither.
    #[must_use]
    pub fn written(text: &str) -> Option<Self> {
        let key = text
            .strip_prefix("true_")
            .or_else(|| text.strip_prefix("false_"));
        let id = key
            .map_or(Some(text), |key| key.split('_').nth(1))
            .unwrap_or_default();
        let is_id = (1..=128).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'));
        is_id.then(|| Self(id.to_owned()))
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_the_shape_whatsapp_web_makes() {
        let id = MessageId::from_random([0xAB; 9]);
        assert_eq!(id.0, "3EB0ABABABABABABABABAB");
        assert_eq!(id.0.len(), 22);
    }

    #[test]
    fn a_message_is_named_by_its_id_or_its_key() {
        for (text, id) in [
            ("3EB0AA", Some("3EB0AA")),
            ("false_77@lid_3EB0AA", Some("3EB0AA")),
            ("false_12-3@g.us_AB-12.3_77@lid", Some("AB-12.3")),
            ("", None),
            ("true_77@lid", None),
            ("out_01kaz", None),
            ("77@lid", None),
        ] {
            assert_eq!(
                MessageId::written(text).map(|id| id.0).as_deref(),
                id,
                "{text}"
            );
        }
    }
}
