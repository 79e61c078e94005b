//! What a call used and wrote, for the workbench (`wharf plugin run`, `test` and `bench`).
//!
//! A gateway observes nothing. Standard error and log lines may quote the message of a call, and
//! only an author who wrote that message may see them together with it.

use std::{
    collections::BTreeMap,
    mem,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde::Serialize;

use crate::model::Timestamp;

/// One line that a plugin logged, cut and escaped as in the gateway's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogLine {
    /// `trace`, `debug`, `info`, `warn` or `error`.
    pub level: &'static str,
    /// The message.
    pub message: String,
    /// The fields by name.
    pub fields: BTreeMap<String, String>,
}

/// One call of a plugin's function.
#[derive(Debug, Clone)]
pub struct CallReport {
    /// The function, e.g. `validate`.
    pub function: &'static str,
    /// Wall time of the whole call: a fresh instance, `configure` and the function itself.
    pub wall: Duration,
    /// The part of `wall` in which the instance was made.
    pub instantiation: Duration,
    /// CPU time of the whole call.
    pub cpu: Duration,
    /// The most memory that the instance had, in bytes.
    pub memory: u64,
    /// What it logged, at most 50 lines.
    pub log: Vec<LogLine>,
    /// The first bytes that it wrote to standard error, at most 4096.
    pub stderr: String,
    /// Capabilities that it asked for without a grant, e.g. `kv`.
    pub not_granted: Vec<&'static str>,
}

/// Collects the reports of all calls of a host, and sets their clock.
#[derive(Debug, Default)]
pub struct Instruments {
    reports: Mutex<Vec<CallReport>>,
    now: Mutex<Option<Timestamp>>,
}

impl Instruments {
    /// Sets the time that calls see from now on; with `None` it is the time of each call.
    pub fn set_now(&self, now: Option<Timestamp>) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }

    /// Takes the reports of the calls since the last time, in the order in which they ended.
    pub fn take(&self) -> Vec<CallReport> {
        mem::take(&mut *self.reports.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn now(&self) -> Option<Timestamp> {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn record(&self, report: CallReport) {
        self.reports
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(report);
    }
}

/// What is measured inside one call.
#[derive(Debug, Default)]
pub(super) struct Observation {
    memory: AtomicUsize,
    instantiation: AtomicU64,
    log: Mutex<Vec<LogLine>>,
}

impl Observation {
    /// The instance has this many bytes of memory now. Memories never shrink.
    pub(super) fn has_memory(&self, bytes: usize) {
        self.memory.fetch_max(bytes, Ordering::Relaxed);
    }

    pub(super) fn instantiated(&self, within: Duration) {
        let nanos = u64::try_from(within.as_nanos()).unwrap_or(u64::MAX);
        self.instantiation.store(nanos, Ordering::Relaxed);
    }

    pub(super) fn logged(&self, line: LogLine) {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(line);
    }

    /// The report of the call, once it has ended.
    pub(super) fn report(
        self: &Arc<Self>,
        function: &'static str,
        wall: Duration,
        cpu: Duration,
        stderr: String,
        not_granted: Vec<&'static str>,
    ) -> CallReport {
        CallReport {
            function,
            wall,
            instantiation: Duration::from_nanos(self.instantiation.load(Ordering::Relaxed)),
            cpu,
            memory: u64::try_from(self.memory.load(Ordering::Relaxed)).unwrap_or(u64::MAX),
            log: mem::take(&mut *self.log.lock().unwrap_or_else(PoisonError::into_inner)),
            stderr,
            not_granted,
        }
    }
}
