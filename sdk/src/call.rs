//! The context of every call into a plugin, the error that every call can return, and what records
//! may get within a line of the contract.

use std::fmt;

use serde::de::DeserializeOwned;

/// The context of a call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
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
    /// What this version has no field for.
    pub extra: Extra,
}

/// A failure of the plugin itself, never a business decision. After any of these errors a delivery
/// is tried again, a rendering fails, and the operator's `on_error` decides about a message that is
/// validated. The kinds differ in what the operator reads.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
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

/// What a record of the contract has got since its line began: pairs of a name, e.g.
/// `content.poll.closes_at`, and a JSON value. The contract lists the names. A record that is given
/// back keeps them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extra(pub(crate) Vec<(String, String)>);

impl Extra {
    /// The JSON of the value with this name.
    #[must_use]
    pub fn json(&self, name: &str) -> Option<&str> {
        let (_, json) = self.0.iter().find(|(known, _)| known == name)?;
        Some(json)
    }

    /// The value with this name; none if there is none, or if it has another type.
    #[must_use]
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.json(name)?).ok()
    }
}
