//! Why a text names nobody who can be written to.

/// Why a text names no recipient; the words name the part that is wrong and say what would be
/// right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRecipient {
    /// It is not understood.
    #[error("{0}")]
    NotUnderstood(String),
    /// It is understood, and cannot be written to yet.
    #[error(
        "{what} cannot be written to yet; a phone number, a person's id (…@lid) and a group's id (…@g.us) can"
    )]
    NotSupported {
        /// What it is.
        what: &'static str,
    },
}

impl InvalidRecipient {
    pub(super) fn because(words: impl Into<String>) -> Self {
        Self::NotUnderstood(words.into())
    }
}
