//! The context of every call into a plugin, and the error that every call can return.

use std::fmt;

/// The context of a call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CallContext {
    /// The operator-chosen name of the linked WhatsApp account.
    pub session: String,
    /// Unique per call.
    pub call_id: String,
    /// The outbox id or delivery id that the call concerns; the same on every attempt.
    pub subject_id: String,
    /// W3C `traceparent`, to forward on outgoing requests. All calls about one subject have the
    /// same trace id, and each call has its own parent id.
    pub traceparent: String,
    /// The time of the call, in milliseconds since the Unix epoch. Prefer it to the system clock,
    /// so that a call can be replayed.
    pub now: u64,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// Wall-clock budget left when the call started, in milliseconds.
    pub budget_ms: u32,
}

/// A failure of the plugin itself, never a business decision. After any of these errors a delivery
/// is tried again, a rendering fails, and the operator's `on_error` decides about a message that is
/// validated. The kinds differ in what the operator reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The request makes no sense to this plugin.
    InvalidInput(String),
    /// Something that the plugin depends on is not available now.
    Unavailable(String),
    /// The host refused a capability the plugin needs.
    NotGranted(String),
    /// Anything else.
    Internal(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidInput(why) => write!(f, "invalid input: {why}"),
            Self::Unavailable(why) => write!(f, "unavailable: {why}"),
            Self::NotGranted(why) => write!(f, "not granted: {why}"),
            Self::Internal(why) => write!(f, "internal: {why}"),
        }
    }
}

impl std::error::Error for Error {}
