//! Faults of the bridge. The item that a fault was about is not reported, or is reported as
//! unknown, so an operator has to know. A fault that occurs with every message must not become an
//! event each time, so faults are reported once and then counted.

use std::{collections::BTreeMap, time::Duration};

use tokio::time::Instant;

use crate::{
    model::{BridgeFault, Timestamp},
    whatsapp::Fault,
};

/// How long until a continuing kind of fault is reported again, and until one that no longer occurs
/// is forgotten.
const AGAIN: Duration = Duration::from_secs(3600);
/// How many kinds are told apart.
const KINDS: usize = 64;

/// Faults by place and error.
#[derive(Debug, Default)]
pub(super) struct Faults(BTreeMap<(String, String), Kind>);

#[derive(Debug)]
struct Kind {
    count: u64,
    since: Timestamp,
    told: Instant,
    last: Instant,
}

impl Faults {
    /// Counts a fault; returns the report if it is due.
    pub(super) fn note(&mut self, fault: Fault) -> Option<BridgeFault> {
        let mut key = (fault.place, fault.error);
        if self.0.len() >= KINDS && !self.0.contains_key(&key) {
            key = ("other places".into(), "other errors".into());
        }
        let now = Instant::now();
        let known = self.0.get_mut(&key).map(|kind| {
            kind.count = kind.count.saturating_add(fault.count);
            kind.last = now;
            let due = now.duration_since(kind.told) >= AGAIN;
            if due {
                kind.told = now;
            }
            (due, kind.count, kind.since)
        });
        let (due, count, since) = known.unwrap_or_else(|| (true, fault.count, Timestamp::now()));
        let told = due.then(|| BridgeFault {
            place: key.0.clone(),
            error: key.1.clone(),
            count,
            since,
        });
        self.0.entry(key).or_insert(Kind {
            count,
            since,
            told: now,
            last: now,
        });
        told
    }

    /// The notice for operators. It contains no count, so it changes only when another kind of
    /// fault occurs.
    pub(super) fn notice(&mut self) -> Option<String> {
        self.0.retain(|_, kind| kind.last.elapsed() < AGAIN);
        if self.0.is_empty() {
            return None;
        }
        let kinds = self
            .0
            .keys()
            .map(|(place, error)| format!("{place}: {error}"))
            .collect::<Vec<_>>()
            .join("; ");
        Some(format!(
            "the bridge failed on something the page did ({kinds}); messages may be missing or arrive as `other`"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(place: &str, count: u64) -> Fault {
        Fault {
            place: place.into(),
            error: "TypeError".into(),
            count,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_fault_is_told_once_an_hour_with_its_number_and_forgotten_when_it_is_over() {
        let mut faults = Faults::default();
        let count = |told: Option<BridgeFault>| told.map(|told| told.count);
        assert_eq!(count(faults.note(fault("here", 1))), Some(1));
        for _ in 0..1000 {
            assert_eq!(faults.note(fault("here", 2)), None);
        }
        assert_eq!(count(faults.note(fault("there", 1))), Some(1));
        let notice = faults.notice().expect("a notice");
        assert!(
            notice.contains("here: TypeError; there: TypeError"),
            "{notice}"
        );
        tokio::time::advance(AGAIN).await;
        assert_eq!(count(faults.note(fault("here", 1))), Some(2002));
        assert!(!faults.notice().expect("a notice").contains("there"));
        tokio::time::advance(AGAIN).await;
        assert_eq!(faults.notice(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn kinds_without_end_are_one_kind() {
        let mut faults = Faults::default();
        let told = (0..1000)
            .filter(|n| faults.note(fault(&n.to_string(), 1)).is_some())
            .count();
        assert_eq!(told, KINDS + 1);
    }
}
