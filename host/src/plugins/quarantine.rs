//! Quarantine: a plugin that fails again and again is not called for a while, by the operator's
//! rule.
//!
//! The failures belong to one loaded version: a reload begins with none. Only what the plugin did
//! counts, not that the gateway had no room for a call or failed itself.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::mpsc, time::Instant};

use super::ports::FailureKind;
use crate::{
    config,
    model::{ClientId, Timestamp},
};

/// A plugin is quarantined from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// The plugin.
    pub plugin: String,
    /// SHA-256 of its component, in hex.
    pub component: String,
    /// The session whose call failed last.
    pub session: ClientId,
    /// How the last call failed.
    pub kind: FailureKind,
    /// How many calls failed.
    pub failures: u32,
    /// Within which time.
    pub within: Duration,
    /// Until when the plugin is not called.
    pub until: Timestamp,
}

/// Where quarantines are told.
pub(super) type News = mpsc::UnboundedSender<Quarantined>;

/// The failures of one loaded plugin, and whether it is quarantined. Without a rule it never is.
#[derive(Debug)]
pub(super) struct Quarantine {
    rule: Option<config::Quarantine>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The times of the last failures; as many as the rule counts.
    failed: VecDeque<Instant>,
    until: Option<(Instant, Timestamp)>,
}

impl Quarantine {
    pub(super) fn new(rule: Option<config::Quarantine>) -> Self {
        Self {
            rule,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until when the plugin must not be called; none when it may be.
    pub(super) fn until(&self) -> Option<Timestamp> {
        self.rule?;
        let mut state = self.state();
        let (end, told) = state.until?;
        if end <= Instant::now() {
            state.until = None;
            return None;
        }
        Some(told)
    }

    /// Counts a failure. Returns the rule and the end of the quarantine that begins with it, if one
    /// does.
    pub(super) fn failed(&self, kind: FailureKind) -> Option<(config::Quarantine, Timestamp)> {
        let rule = self.rule?;
        if !is_its_own(kind) {
            return None;
        }
        let now = Instant::now();
        let mut state = self.state();
        // Calls that began before the quarantine may still fail.
        if state.until.is_some_and(|(end, _)| end > now) {
            return None;
        }
        state.failed.push_back(now);
        let within = rule.within.duration();
        while state
            .failed
            .front()
            .is_some_and(|at| now.duration_since(*at) > within)
        {
            state.failed.pop_front();
        }
        if state.failed.len() < usize::try_from(rule.failures).unwrap_or(usize::MAX) {
            return None;
        }
        state.failed.clear();
        let pause = rule.pause.duration();
        let told = Timestamp::now().plus_millis(rule.pause.0);
        state.until = Some((now + pause, told));
        Some((rule, told))
    }
}

fn is_its_own(kind: FailureKind) -> bool {
    match kind {
        FailureKind::Failed
        | FailureKind::Trapped
        | FailureKind::OverCpu
        | FailureKind::OverMemory
        | FailureKind::TimedOut => true,
        FailureKind::Busy | FailureKind::Host | FailureKind::Quarantined => false,
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::config::Millis;

    const RULE: config::Quarantine = config::Quarantine {
        failures: 3,
        within: Millis::secs(60),
        pause: Millis::secs(300),
    };

    #[tokio::test(start_paused = true)]
    async fn a_quarantine_begins_with_the_last_failure_of_the_rule_and_ends_after_its_pause() {
        let quarantine = Quarantine::new(Some(RULE));
        for kind in [FailureKind::Trapped, FailureKind::Failed] {
            assert!(quarantine.failed(kind).is_none());
        }
        // No fault of the plugin.
        for kind in [FailureKind::Busy, FailureKind::Host] {
            assert!(quarantine.failed(kind).is_none());
        }
        assert!(quarantine.until().is_none());
        let (_, until) = quarantine.failed(FailureKind::OverCpu).expect("the third");
        assert_eq!(quarantine.until(), Some(until));
        assert!(
            quarantine.failed(FailureKind::TimedOut).is_none(),
            "a call that ends late begins no other quarantine"
        );
        advance(Duration::from_secs(299)).await;
        assert!(quarantine.until().is_some());
        advance(Duration::from_secs(1)).await;
        assert!(quarantine.until().is_none());
        assert!(
            quarantine.failed(FailureKind::Trapped).is_none(),
            "what led to the last quarantine does not count again"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn failures_that_are_further_apart_than_the_rule_says_lead_to_nothing() {
        let quarantine = Quarantine::new(Some(RULE));
        for _ in 0..20 {
            assert!(quarantine.failed(FailureKind::Trapped).is_none());
            advance(Duration::from_secs(31)).await;
        }
        let without = Quarantine::new(None);
        for _ in 0..20 {
            assert!(without.failed(FailureKind::Trapped).is_none());
        }
        assert!(without.until().is_none());
    }
}
