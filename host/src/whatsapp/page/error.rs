//! Why a page did not do what it was asked.

use std::time::Duration;

/// Why a page did not do what it was asked. What was begun may have been done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PageError {
    /// The page is being loaded; it has begun nothing.
    #[error("the page is still being loaded and has not begun {what}")]
    Booting {
        /// The call.
        what: &'static str,
    },
    /// No answer in time.
    #[error("the page did not answer {what} within {limit:?}")]
    Timeout {
        /// What was asked.
        what: &'static str,
        /// How long was waited.
        limit: Duration,
    },
    /// The page was reloaded or closed while it worked.
    #[error("the page went away during {what}: {reason}")]
    Gone {
        /// What was asked.
        what: &'static str,
        /// The browser's words.
        reason: String,
    },
    /// There is no bridge in the page, which is just being loaded, or is not WhatsApp Web.
    #[error("the page went away during {what}: no bridge in this page")]
    NoBridge {
        /// What was asked.
        what: &'static str,
    },
    /// The page or its bridge threw while it worked, or its answer cannot be read.
    #[error("the page failed at {what}: {reason}")]
    Failed {
        /// What was asked.
        what: &'static str,
        /// The error's words.
        reason: String,
    },
    /// This build of WhatsApp Web lacks what is needed: nothing was begun.
    #[error("this build of WhatsApp Web lacks {missing:?}, needed for {what}")]
    ContractBroken {
        /// What was asked.
        what: &'static str,
        /// `Module.export` names.
        missing: Vec<String>,
    },
    /// WhatsApp has been asked too often; minutes later it may be asked again.
    #[error("WhatsApp was asked for {what} too often; wait some minutes")]
    RateLimited {
        /// What was asked.
        what: &'static str,
    },
    /// WhatsApp does not offer it to this number or this client.
    #[error("WhatsApp does not offer {what} here; scan a QR instead")]
    NotAvailable {
        /// What was asked.
        what: &'static str,
    },
    /// The message to be answered is not in the chat or may not be answered: nothing was begun.
    #[error("the message to answer cannot be quoted: {reason}")]
    QuoteNotFound {
        /// Which of both.
        reason: String,
    },
    /// This account has no such chat, e.g. is not in that group: nothing was begun.
    #[error("this account has no chat of that id: it is in no such group")]
    NoSuchChat,
    /// WhatsApp Web refused before anything was stored: nothing was begun.
    #[error("WhatsApp Web refused {what}: {reason}")]
    Refused {
        /// What was asked.
        what: &'static str,
        /// Its words, without message text.
        reason: String,
    },
}
