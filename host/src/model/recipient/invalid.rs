//! Why a text is not a recipient.

/// Why a text is not a recipient. The message names the wrong part and says what is accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRecipient {
    /// The text cannot be parsed.
    #[error("{0}")]
    NotUnderstood(String),
    /// The text is valid, but this version cannot send to this kind of chat.
    #[error(
        "{what} cannot be written to yet; a phone number, a person's id (…@lid) and a group's id (…@g.us) can"
    )]
    NotSupported {
        /// The kind of chat.
        what: &'static str,
    },
}

impl InvalidRecipient {
    pub(super) fn because(words: impl Into<String>) -> Self {
        Self::NotUnderstood(words.into())
    }
}
