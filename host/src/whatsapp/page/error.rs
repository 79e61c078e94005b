//! Why a page did not do what it was asked.

use std::time::Duration;

/// Why a page did not do what it was asked. Unless a variant says that nothing was begun, the work
/// may have been done, in full or in part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PageError {
    /// The page is still loading; nothing was begun.
    #[error("the page is still being loaded and has not begun {what}")]
    Booting {
        /// The question that was asked.
        what: &'static str,
    },
    /// The page did not answer in time.
    #[error("the page did not answer {what} within {limit:?}")]
    Timeout {
        /// The question that was asked.
        what: &'static str,
        /// How long the caller waited.
        limit: Duration,
    },
    /// The page was reloaded or closed, or failed, while it worked on the question.
    #[error("the page went away during {what}: {reason}")]
    Gone {
        /// The question that was asked.
        what: &'static str,
        /// The error text of the browser or of the bridge.
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
        /// The question that was asked.
        what: &'static str,
        /// The missing modules and exports, as `Module.export`.
        missing: Vec<String>,
    },
    /// WhatsApp has limited the rate of such requests; retry after some minutes.
    #[error("WhatsApp was asked for {what} too often; wait some minutes")]
    RateLimited {
        /// The question that was asked.
        what: &'static str,
    },
    /// WhatsApp does not offer this to this number or this client.
    #[error("WhatsApp does not offer {what} here; scan a QR instead")]
    NotAvailable {
        /// The question that was asked.
        what: &'static str,
    },
    /// The message to reply to is not in the chat or does not allow a reply; nothing was begun.
    #[error("the message to answer cannot be quoted: {reason}")]
    QuoteNotFound {
        /// Which of the two it is.
        reason: String,
    },
    /// This account has no such chat, for example because it is not in that group; nothing was
    /// begun.
    #[error("this account has no chat with that id: it is not in that group")]
    NoSuchChat,
    /// WhatsApp Web refused before anything was stored; nothing was begun.
    #[error("WhatsApp Web refused {what}: {reason}")]
    Refused {
        /// The question that was asked.
        what: &'static str,
        /// The error text of WhatsApp Web, without message text.
        reason: String,
    },
}
