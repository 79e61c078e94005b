//! The candidate of a plugin: another version that is asked beside it and decides nothing.
//!
//! After the plugin has answered, the candidate makes the same call again, as a replay does: with
//! the context and the message of that call, and with the storage as that call saw it. So both see
//! the same, whatever the plugin has written meanwhile. What the candidate writes goes nowhere, and
//! it makes no requests. One task makes the calls of all candidates, one after the other, in room of
//! the pool that no plugin uses.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tracing::debug;

use super::{
    beside::{Compared, Offer, is_answer},
    host::PluginHost,
    recorded::{Answered, CallRecord},
    replay::{self, RecordedCall, Replayed},
};
use crate::model::{ClientId, OutboundMessage};

/// A call that a candidate answered otherwise than the plugin.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The plugin.
    pub plugin: String,
    /// The session.
    pub session: ClientId,
    /// The id of the message.
    pub message: String,
    /// Which answers were given. It never contains what a message says.
    pub facts: DifferenceFacts,
    /// What may contain what the message says; none once that was deleted.
    pub details: Option<DifferenceDetails>,
}

/// The two answers of a difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DifferenceFacts {
    /// In what they differ: `verdict`, `code`, `retry_after`, `reason`, `message`.
    pub differs: Vec<String>,
    /// The answer of the plugin.
    pub plugin: DifferenceSide,
    /// The answer of the candidate.
    pub candidate: DifferenceSide,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DifferenceSide {
    /// SHA-256 of the component, in hex.
    pub component: String,
    /// SHA-256 of the configuration, in hex.
    pub config: String,
    /// `allow`, `reject`, `modify`, or how the call failed.
    pub verdict: String,
    /// The code of a rejection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// How long to wait before the message may be sent again, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
}

/// The words of the two answers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DifferenceDetails {
    /// Of the plugin.
    pub plugin: Words,
    /// Of the candidate.
    pub candidate: Words,
    /// What the candidate depended on besides what the plugin saw.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unrecorded: Vec<String>,
}

/// The words of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Words {
    /// The reason of a rejection, or a description of the failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<String>,
    /// SHA-256 of the changed message, in hex. Who knows what a message may say can find it by its
    /// digest, so the digest is kept no longer than the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<String>,
}

/// The calls that wait for the candidates.
pub struct Candidates(mpsc::UnboundedReceiver<Offer>);

impl std::fmt::Debug for Candidates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Candidates").finish_non_exhaustive()
    }
}

impl Candidates {
    /// Makes the waiting calls until one is answered otherwise than by its plugin; none when the
    /// plugin host is gone.
    pub async fn next(&mut self) -> Option<Difference> {
        loop {
            let offer = self.0.recv().await?;
            if let Some(difference) = offer.compare().await {
                return Some(difference);
            }
        }
    }
}

impl PluginHost {
    /// The calls that wait for the candidates. Only the first caller gets them.
    pub fn candidates(&self) -> Option<Candidates> {
        self.offers().map(Candidates)
    }
}

impl Offer {
    /// Makes the call, and counts the result. Returns a difference.
    async fn compare(self) -> Option<Difference> {
        let (candidate, record) = (&self.candidate, &self.record);
        let call = RecordedCall {
            session: &self.session,
            message: &self.message,
            facts: &record.facts,
            input: &record.input,
            storage: &record.storage,
        };
        let beyond = Some(Arc::clone(&candidate.plugin.kv));
        let replayed = replay::again(&candidate.plugin, call, None, beyond).await;
        let verdict = replayed.answer.verdict;
        let differs = differences(record, &replayed.answer);
        let result = if replayed.asked_network {
            Compared::Network
        } else if !is_answer(verdict) {
            Compared::Skipped
        } else if differs.is_empty() {
            Compared::Same
        } else if matches!(verdict, "allow" | "reject" | "modify") {
            Compared::Differing
        } else {
            Compared::Failed
        };
        candidate.count(result);
        debug!(
            plugin = candidate.plugin.label,
            subject = self.message,
            verdict,
            ?result,
            "compared"
        );
        matches!(result, Compared::Differing | Compared::Failed)
            .then(|| self.difference(differs, replayed))
    }

    fn difference(&self, differs: Vec<String>, replayed: Replayed) -> Difference {
        let facts = &self.record.facts;
        let answer = replayed.answer;
        let plugin = DifferenceSide {
            component: facts.component.clone(),
            config: facts.config.clone(),
            verdict: plain(&facts.verdict).to_owned(),
            code: facts.code.clone(),
            retry_after_ms: facts.retry_after_ms,
        };
        let candidate = DifferenceSide {
            component: replayed.component,
            config: replayed.config,
            verdict: answer.verdict.to_owned(),
            code: answer.code,
            retry_after_ms: answer.retry_after_ms,
        };
        let digest = |changed: &Option<Arc<OutboundMessage>>| changed.as_deref().map(digest);
        Difference {
            plugin: self.candidate.plugin.entry.name.clone(),
            session: self.session.clone(),
            message: self.message.clone(),
            facts: DifferenceFacts {
                differs,
                plugin,
                candidate,
            },
            details: Some(DifferenceDetails {
                plugin: Words {
                    explanation: self.record.explanation.clone(),
                    changed: digest(&self.record.changed),
                },
                candidate: Words {
                    changed: digest(&answer.changed),
                    explanation: answer.explanation,
                },
                unrecorded: replayed.unrecorded,
            }),
        }
    }
}

/// A message's digest. Its fields are written in the order of the type, so the same message has the
/// same digest.
fn digest(message: &OutboundMessage) -> String {
    hex::encode(Sha256::digest(
        serde_json::to_vec(message).unwrap_or_default(),
    ))
}

/// The verdict, whatever `mode` made of it.
fn plain(verdict: &str) -> &str {
    verdict.strip_prefix("would_").unwrap_or(verdict)
}

/// In what two answers differ. Failures of one kind are the same: their words may name places in the
/// code.
fn differences(record: &CallRecord, answer: &Answered) -> Vec<String> {
    let facts = &record.facts;
    let same_verdict = plain(&facts.verdict) == answer.verdict;
    let rejected = same_verdict && answer.verdict == "reject";
    [
        (!same_verdict, "verdict"),
        (rejected && facts.code != answer.code, "code"),
        (
            rejected && facts.retry_after_ms != answer.retry_after_ms,
            "retry_after",
        ),
        (
            rejected && record.explanation != answer.explanation,
            "reason",
        ),
        (same_verdict && record.changed != answer.changed, "message"),
    ]
    .into_iter()
    .filter(|(differs, _)| *differs)
    .map(|(_, what)| what.to_owned())
    .collect()
}
