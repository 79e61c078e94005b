//! The record of a call: what a validator was given, what it read and what it answered. With it, the
//! call can be explained, and made again.
//!
//! A record has two parts, because they are kept for different times. The facts say which version of
//! which plugin decided what, and never contain what a message says. The details do: the message as
//! the plugin saw it, its changed form, and texts and stored values of the plugin, in which it may
//! have put anything. They are deleted together with the content of the message. Of secrets only the
//! names are recorded, so a call that is made again gets their current values.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::bindings::wharf::plugin::calls::CallContext;
use crate::model::{ClientId, OutboundMessage};

/// One call of a validator.
#[derive(Debug, Clone, PartialEq)]
pub struct CallRecord {
    /// What is kept as long as the message's history.
    pub facts: CallFacts,
    /// The message as the plugin saw it.
    pub input: Arc<OutboundMessage>,
    /// The message as the plugin changed it, whether or not the change took effect.
    pub changed: Option<Arc<OutboundMessage>>,
    /// The reason of a rejection, or a description of the failure.
    pub explanation: Option<String>,
    /// What it asked of its storage.
    pub storage: StorageTrace,
}

/// Which version of a plugin was called with which context, and how it answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallFacts {
    /// The plugin.
    pub plugin: String,
    /// SHA-256 of the component, in hex.
    pub component: String,
    /// SHA-256 of the configuration as the plugin gets it (a JSON object), in hex.
    pub config: String,
    /// `allow`, `reject`, `modify`, or how the call failed; a monitored plugin says `would_reject`
    /// and `would_modify`.
    pub verdict: String,
    /// Whether the plugin was monitored, so that its verdict decided nothing.
    pub monitored: bool,
    /// The code of a rejection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// How long to wait before the message may be sent again, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// Duration of the call in microseconds of wall time.
    pub micros: u64,
    /// The context of the call.
    pub context: RecordedContext,
    /// The names of the secrets that it asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<String>,
}

/// What a call was told of itself. The clock and the random numbers of a call are derived from it.
/// The session and the id of the message are those of the decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedContext {
    /// The id of the call.
    pub call_id: String,
    /// The W3C `traceparent`.
    pub traceparent: String,
    /// The time of the call in milliseconds since the Unix epoch.
    pub now: u64,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The most time that the call had, in milliseconds.
    pub budget_ms: u32,
}

impl RecordedContext {
    pub(super) fn of(context: &CallContext) -> Self {
        Self {
            call_id: context.call_id.clone(),
            traceparent: context.traceparent.clone(),
            now: context.now,
            attempt: context.attempt,
            budget_ms: context.budget_ms,
        }
    }

    /// The context of a call that is made again about the message `subject`.
    pub(super) fn again(&self, session: &ClientId, subject: &str) -> CallContext {
        CallContext {
            session: session.to_string(),
            call_id: self.call_id.clone(),
            subject_id: subject.to_owned(),
            traceparent: self.traceparent.clone(),
            now: self.now,
            attempt: self.attempt,
            budget_ms: self.budget_ms,
            extra: vec![],
        }
    }
}

/// What a call asked of its storage, in order, as far as it fits.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StorageTrace {
    /// The requests, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StorageStep>,
    /// Whether there were more requests than are recorded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

impl StorageTrace {
    /// Whether the call asked nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && !self.cut
    }
}

/// One request to the storage, and its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", rename_all_fields = "camelCase")]
pub enum StorageStep {
    /// A key was read.
    Get {
        /// The key.
        key: String,
        /// Its value; none when the key did not exist.
        found: Option<FoundValue>,
    },
    /// A key was written. The value is not recorded: the plugin makes it again.
    Set {
        /// The key.
        key: String,
        /// Whether it was written.
        answer: WriteAnswer,
    },
    /// Keys were listed.
    List {
        /// What the keys begin with.
        prefix: String,
        /// The key after which the list began.
        cursor: Option<String>,
        /// The most keys that were asked for.
        limit: u32,
        /// The keys.
        keys: Vec<String>,
    },
}

/// The value of a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FoundValue {
    /// The version of the key.
    pub version: u64,
    /// The length of the value in bytes.
    pub bytes: u64,
    /// SHA-256 of the value, in hex.
    pub sha256: String,
    /// The value in Base64; none when it was too large to be recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// The answer to a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WriteAnswer {
    /// The key was written.
    Written,
    /// The key had another version than expected.
    Conflict,
    /// The namespace was full.
    QuotaExceeded,
    /// The key or the value was too large.
    TooLarge,
}

/// The answer of a validator, whatever the operator's settings make of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// `allow`, `reject`, `modify`, or how the call failed.
    pub verdict: &'static str,
    /// The code of a rejection.
    pub code: Option<String>,
    /// The reason of a rejection, or a description of the failure.
    pub explanation: Option<String>,
    /// How long to wait before the message may be sent again, in milliseconds.
    pub retry_after_ms: Option<u64>,
    /// The message as the plugin changed it.
    pub changed: Option<Arc<OutboundMessage>>,
}
