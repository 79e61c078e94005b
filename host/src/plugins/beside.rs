//! A candidate beside its plugin: what is loaded, which calls wait for it, and what was counted.
//!
//! Offering a call costs the plugin nothing but a place in a queue: a call that finds the queue full
//! is left out and counted. `candidate.rs` makes the calls.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::{
    guest::Plugin,
    ports::{FailureKind, Subject},
    recorded::CallRecord,
};
use crate::model::{ClientId, Timestamp};

/// The most calls that wait for one candidate.
const QUEUE: usize = 64;

/// The candidate of a loaded plugin, or why it cannot be used.
#[derive(Debug, Clone)]
pub(super) struct Beside {
    /// The path of its file.
    pub(super) file: String,
    /// SHA-256 of its file when it was loaded, in hex; none if it could not be read.
    pub(super) digest: Option<String>,
    pub(super) outcome: Result<Arc<Candidate>, String>,
}

/// A loaded candidate.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) plugin: Plugin,
    version: String,
    comparison: Arc<Comparison>,
    offers: Offers,
}

/// What was counted of a candidate since it was loaded. It outlives reloads that change neither the
/// plugin nor the candidate.
#[derive(Debug)]
struct Comparison {
    /// The components and configurations that are compared.
    of: [String; 4],
    since: Timestamp,
    room: Arc<Semaphore>,
    same: AtomicU64,
    differing: AtomicU64,
    failed: AtomicU64,
    network: AtomicU64,
    skipped: AtomicU64,
}

/// The result of one comparison, in metrics and in the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compared {
    Same,
    Differing,
    Failed,
    Network,
    Skipped,
}

/// A call of a plugin that its candidate is to make again.
pub(super) struct Offer {
    pub(super) candidate: Arc<Candidate>,
    pub(super) session: ClientId,
    pub(super) message: String,
    pub(super) record: Arc<CallRecord>,
    _room: OwnedSemaphorePermit,
}

/// Where calls wait for the candidates. Each candidate bounds its own.
pub(super) type Offers = mpsc::UnboundedSender<Offer>;

/// The candidate of a plugin, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CandidateStatus {
    /// The path of its file.
    pub file: String,
    /// What was compared, or why the candidate cannot be used.
    pub outcome: Result<CandidateCounts, String>,
}

/// What was counted of a candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CandidateCounts {
    /// The version that the candidate gives itself.
    pub version: String,
    /// SHA-256 of its component, in hex.
    pub component: String,
    /// SHA-256 of its configuration, in hex.
    pub config: String,
    /// Since when calls are compared.
    pub since: Timestamp,
    /// How many calls were answered as the plugin answered them.
    pub same: u64,
    /// How many were answered otherwise.
    pub differing: u64,
    /// How many calls of the candidate failed in which the plugin did not fail like that.
    pub failed: u64,
    /// How many asked the network, which a candidate may not, so that they say nothing.
    pub network: u64,
    /// How many were not made or have no answer: too many waited, the plugin itself could not be
    /// asked, or the candidate is quarantined.
    pub skipped: u64,
    /// Until when the candidate is not called, because it has failed too often (`quarantine`).
    pub quarantined_until: Option<Timestamp>,
}

impl Candidate {
    /// A candidate of `live`. The counts of `before` go on if both versions are the same as then.
    pub(super) fn new(
        plugin: Plugin,
        version: String,
        live: &Plugin,
        before: Option<&Self>,
        offers: Offers,
    ) -> Self {
        let of = [
            &live.component,
            &live.config_digest,
            &plugin.component,
            &plugin.config_digest,
        ]
        .map(String::clone);
        let goes_on = before.filter(|before| before.comparison.of == of);
        let comparison = goes_on.map_or_else(
            || Arc::new(Comparison::new(of)),
            |before| Arc::clone(&before.comparison),
        );
        Self {
            plugin,
            version,
            comparison,
            offers,
        }
    }

    /// Has a call of the plugin made again, unless too many wait already. Never waits.
    pub(super) fn offer(self: &Arc<Self>, subject: &Subject, record: &Arc<CallRecord>) {
        let room = Arc::clone(&self.comparison.room).try_acquire_owned();
        let sent = match room {
            Ok(room) if is_answer(&record.facts.verdict) => {
                let offer = Offer {
                    candidate: Arc::clone(self),
                    session: subject.session.clone(),
                    message: subject.id.clone(),
                    record: Arc::clone(record),
                    _room: room,
                };
                self.offers.send(offer).is_ok()
            }
            _ => false,
        };
        if !sent {
            self.count(Compared::Skipped);
        }
    }

    pub(super) fn count(&self, result: Compared) {
        let comparison = &self.comparison;
        let (counter, name) = match result {
            Compared::Same => (&comparison.same, "same"),
            Compared::Differing => (&comparison.differing, "differing"),
            Compared::Failed => (&comparison.failed, "failed"),
            Compared::Network => (&comparison.network, "network"),
            Compared::Skipped => (&comparison.skipped, "skipped"),
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let plugin = self.plugin.entry.name.clone();
        metrics::counter!("wharf_plugin_candidate_comparisons_total", "plugin" => plugin, "result" => name).increment(1);
    }

    fn counts(&self) -> CandidateCounts {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let comparison = &self.comparison;
        CandidateCounts {
            version: self.version.clone(),
            component: self.plugin.component.clone(),
            config: self.plugin.config_digest.clone(),
            since: comparison.since,
            same: of(&comparison.same),
            differing: of(&comparison.differing),
            failed: of(&comparison.failed),
            network: of(&comparison.network),
            skipped: of(&comparison.skipped),
            quarantined_until: self.plugin.quarantine.until(),
        }
    }
}

impl Comparison {
    fn new(of: [String; 4]) -> Self {
        Self {
            of,
            since: Timestamp::now(),
            room: Arc::new(Semaphore::new(QUEUE)),
            same: AtomicU64::default(),
            differing: AtomicU64::default(),
            failed: AtomicU64::default(),
            network: AtomicU64::default(),
            skipped: AtomicU64::default(),
        }
    }
}

impl Beside {
    pub(super) fn status(&self) -> CandidateStatus {
        CandidateStatus {
            file: self.file.clone(),
            outcome: self
                .outcome
                .as_ref()
                .map(|candidate| candidate.counts())
                .map_err(Clone::clone),
        }
    }

    /// As a line: what it is, or why it cannot be used.
    pub(super) fn summary(&self) -> String {
        match &self.outcome {
            Ok(candidate) => format!("{} loaded, {}", candidate.version, self.file),
            Err(reason) => format!("failed: {reason}, {}", self.file),
        }
    }
}

/// Whether a verdict says what a version of the plugin answers: one that was not asked says
/// nothing.
pub(super) fn is_answer(verdict: &str) -> bool {
    [
        FailureKind::Busy,
        FailureKind::Host,
        FailureKind::Quarantined,
    ]
    .iter()
    .all(|kind| kind.as_str() != verdict)
}
