//! The state of each receiver: its calls under way, and whether it accepts its deliveries.
//!
//! One receiver must never delay another. So each has a bounded number of concurrent calls
//! (`per_receiver`). The shared limit of calls counts only young ones, because a receiver that
//! hangs would use it up until the time-out. A receiver that fails repeatedly gets one call at a
//! time, with pauses in between (a circuit breaker); deliveries that wait for it meanwhile use up
//! no attempts.

#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use tokio::time::Instant;
use tracing::{info, warn};

use crate::model::{Backoff, Timestamp};

/// A call older than this does not count towards the shared limit.
const YOUNG: Duration = Duration::from_secs(1);
/// The circuit breaker opens after failures of this many different deliveries without a success.
/// One event that a receiver refuses is no reason to hold back the others.
const OPENS_AT: usize = 5;
/// After this many failures in a row a warning is logged.
const TOLD_AT: u32 = 3;
/// The pause before the next single call while the circuit breaker is open.
const PAUSE: Backoff = Backoff {
    first: Duration::from_secs(2),
    longest: Duration::from_secs(30),
};
/// Maximum number of receivers with metrics of their own. Plugins choose the names, so their number
/// is not bounded, and a recorder never forgets a label: the first names keep theirs, even when
/// their receivers are forgotten.
const NAMED: usize = 200;

/// A receiver: the notifier plugin and its name for the receiver. The name is empty for events
/// whose targets the notifier has not named yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ReceiverId {
    pub(super) plugin: String,
    pub(super) target: String,
}

/// What an attempt shows about its receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// It accepted the delivery.
    Well,
    /// It did not accept it, for this reason.
    Failed(String),
    /// Nothing, because it was not called or refused only this event for good.
    Nothing,
}

/// A receiver that fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// Time of the first failure since its last success.
    pub since: Timestamp,
    /// Number of failures in a row.
    pub failures: u32,
    /// Reason of the last failure.
    pub reason: String,
    /// Whether the circuit breaker is open, so that it gets one call at a time, with pauses.
    pub open: bool,
}

#[derive(Debug)]
struct Trouble {
    failing: Failing,
    /// Different deliveries that failed, at most [`OPENS_AT`].
    deliveries: HashSet<String>,
    /// When the next single call may be made; `None` while the circuit breaker is closed.
    next: Option<Instant>,
    /// Number of single calls that failed since the circuit breaker opened.
    single_calls: u32,
    /// Whether the failures were logged.
    told: bool,
}

#[derive(Debug, Default)]
struct Receiver {
    /// Calls under way: when the call of each delivery began.
    calls: HashMap<String, Instant>,
    /// Number of the turn in which it was last called.
    turn: u64,
    trouble: Option<Trouble>,
    /// Whether a dead letter was logged since its last success.
    gave_up: bool,
}

/// All receivers.
#[derive(Debug)]
pub(super) struct Receivers {
    per_receiver: usize,
    places: usize,
    turn: u64,
    /// Those with metrics of their own, at most [`NAMED`].
    named: HashSet<ReceiverId>,
    known: HashMap<ReceiverId, Receiver>,
}

/// The calls that a receiver may get now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    /// Number of calls that may be begun now.
    pub(super) calls: usize,
    /// When more will be allowed without a call ending.
    pub(super) more_at: Option<Instant>,
    /// Sort key by which the next receiver is chosen: number of calls under way, then the turn of
    /// the last call.
    pub(super) order: (usize, u64),
}

impl Receivers {
    pub(super) fn new(per_receiver: usize, places: usize) -> Self {
        Self {
            per_receiver,
            places,
            turn: 0,
            named: HashSet::new(),
            known: HashMap::new(),
        }
    }

    /// The number of calls that the shared limit allows now, and when it will allow more without a
    /// call ending.
    pub(super) fn places(&self, now: Instant) -> (usize, Option<Instant>) {
        let young = || {
            self.known
                .values()
                .flat_map(|receiver| receiver.calls.values())
                .map(|begun| *begun + YOUNG)
                .filter(|old| *old > now)
        };
        (self.places.saturating_sub(young().count()), young().min())
    }

    pub(super) fn room(&self, id: &ReceiverId, now: Instant) -> Room {
        let Some(receiver) = self.known.get(id) else {
            return Room {
                calls: self.most(id),
                more_at: None,
                order: (0, 0),
            };
        };
        let (calls, order) = (receiver.calls.len(), (receiver.calls.len(), receiver.turn));
        match receiver.trouble.as_ref().and_then(|trouble| trouble.next) {
            Some(next) if next > now => Room {
                calls: 0,
                more_at: Some(next),
                order,
            },
            Some(_) => Room {
                calls: usize::from(calls == 0),
                more_at: None,
                order,
            },
            None => Room {
                calls: self.most(id).saturating_sub(calls),
                more_at: None,
                order,
            },
        }
    }

    /// Maximum number of concurrent calls of a receiver. A notifier is asked for missing targets
    /// one event at a time, so that it learns of opt-outs in their order.
    fn most(&self, id: &ReceiverId) -> usize {
        if id.target.is_empty() {
            1
        } else {
            self.per_receiver
        }
    }

    pub(super) fn begin(&mut self, id: &ReceiverId, delivery: &str, now: Instant) {
        self.turn += 1;
        let turn = self.turn;
        let receiver = self.known.entry(id.clone()).or_default();
        receiver.turn = turn;
        receiver.calls.insert(delivery.to_owned(), now);
    }

    /// Records that a call has ended. `dead` is the reason if its delivery was given up. Returns
    /// the receiver's name for metrics.
    pub(super) fn end(
        &mut self,
        id: &ReceiverId,
        delivery: &str,
        seen: Seen,
        dead: Option<&str>,
        now: Instant,
    ) -> String {
        let named = self.is_named(id);
        let receiver = self.known.entry(id.clone()).or_default();
        receiver.calls.remove(delivery);
        match seen {
            Seen::Well => receiver.well(id),
            Seen::Failed(reason) => receiver.failed(id, delivery, reason, now),
            Seen::Nothing => {}
        }
        if let Some(reason) = dead {
            receiver.gave_up(id, delivery, reason);
        }
        if named {
            show_failing(id, receiver.trouble.is_some());
            return id.target.clone();
        }
        if receiver.calls.is_empty() && receiver.trouble.is_none() {
            self.known.remove(id);
        }
        "(other)".to_owned()
    }

    /// Forgets receivers that have neither deliveries nor calls under way. Otherwise one that failed
    /// until its last delivery was given up and purged would be called failing for ever, and names
    /// that are never used again would pile up.
    pub(super) fn forget_idle(&mut self, has_deliveries: impl Fn(&ReceiverId) -> bool) {
        let named = &self.named;
        self.known.retain(|id, receiver| {
            let stays = !receiver.calls.is_empty() || has_deliveries(id);
            if !stays && receiver.trouble.is_some() && named.contains(id) {
                show_failing(id, false);
            }
            stays
        });
    }

    /// Number of calls under way.
    pub(super) fn calls(&self, id: &ReceiverId) -> usize {
        self.known
            .get(id)
            .map_or(0, |receiver| receiver.calls.len())
    }

    /// Forgets all calls under way, because the task that made them is gone.
    pub(super) fn forget_calls(&mut self) {
        self.known
            .values_mut()
            .for_each(|receiver| receiver.calls.clear());
    }

    /// Records that a notifier was asked for targets while an event was routed.
    pub(super) fn routed(&mut self, id: &ReceiverId, event: &str, seen: Seen) {
        // A success needs no record if there is none of a failure.
        if seen != Seen::Well || self.known.contains_key(id) {
            self.end(id, event, seen, None, Instant::now());
        }
    }

    /// Whether the circuit breaker of a receiver is open.
    pub(super) fn is_open(&self, id: &ReceiverId) -> bool {
        self.known
            .get(id)
            .and_then(|receiver| receiver.trouble.as_ref())
            .is_some_and(|trouble| trouble.next.is_some())
    }

    /// Whether a receiver has metrics of its own. It gets them if there is room for its name.
    pub(super) fn is_named(&mut self, id: &ReceiverId) -> bool {
        if self.named.len() < NAMED && !self.named.contains(id) {
            self.named.insert(id.clone());
        }
        self.named.contains(id)
    }

    /// The receivers that fail.
    pub(super) fn failing(&self) -> HashMap<ReceiverId, Failing> {
        let failing = |trouble: &Trouble| Failing {
            open: trouble.next.is_some(),
            ..trouble.failing.clone()
        };
        self.known
            .iter()
            .filter_map(|(id, receiver)| Some((id.clone(), failing(receiver.trouble.as_ref()?))))
            .collect()
    }
}

fn show_failing(ReceiverId { plugin, target }: &ReceiverId, failing: bool) {
    metrics::gauge!("wharf_receiver_failing", "plugin" => plugin.clone(), "target" => target.clone())
        .set(if failing { 1.0 } else { 0.0 });
}

impl Receiver {
    fn well(&mut self, id: &ReceiverId) {
        self.gave_up = false;
        let Some(Trouble { failing, told, .. }) = self.trouble.take() else {
            return;
        };
        if told {
            info!(
                plugin = id.plugin,
                receiver = id.target,
                failures = failing.failures,
                since = failing.since.rfc3339(),
                "a receiver accepts its deliveries again"
            );
        }
    }

    fn failed(&mut self, id: &ReceiverId, delivery: &str, reason: String, now: Instant) {
        let trouble = self.trouble.get_or_insert_with(|| Trouble {
            failing: Failing {
                since: Timestamp::now(),
                failures: 0,
                reason: String::new(),
                open: false,
            },
            deliveries: HashSet::new(),
            next: None,
            single_calls: 0,
            told: false,
        });
        trouble.failing.failures = trouble.failing.failures.saturating_add(1);
        trouble.failing.reason = reason;
        if trouble.deliveries.len() < OPENS_AT {
            trouble.deliveries.insert(delivery.to_owned());
        }
        // Calls that were under way when the circuit breaker opened say nothing new.
        if trouble.deliveries.len() >= OPENS_AT && trouble.next.is_none_or(|next| next <= now) {
            trouble.next = Some(now + PAUSE.pause(trouble.single_calls));
            trouble.single_calls = trouble.single_calls.saturating_add(1);
        }
        if trouble.failing.failures < TOLD_AT || std::mem::replace(&mut trouble.told, true) {
            return;
        }
        let (plugin, target, reason) = (&id.plugin, &id.target, &trouble.failing.reason);
        if target.is_empty() {
            warn!(
                plugin,
                reason,
                "a notifier fails to name the targets of events; the events wait and it is asked again. Fix the plugin or its configuration: wharf deliveries receivers"
            );
        } else {
            warn!(
                plugin,
                receiver = target,
                reason,
                "a receiver does not accept its deliveries; they wait and are tried again. Fix the receiver or its entry in gateway.toml: wharf deliveries receivers"
            );
        }
    }

    fn gave_up(&mut self, id: &ReceiverId, delivery: &str, reason: &str) {
        if std::mem::replace(&mut self.gave_up, true) {
            return;
        }
        let again = if id.target.is_empty() {
            format!("--plugin {}", id.plugin)
        } else {
            format!("--target {}", id.target)
        };
        warn!(
            plugin = id.plugin,
            receiver = id.target,
            delivery,
            reason,
            "deliveries to a receiver are given up and kept as dead letters. Once it works again: wharf deliveries retry {again}"
        );
    }
}
