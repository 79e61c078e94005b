//! What is known of each receiver: its calls under way, and whether it takes what it is told.
//!
//! One receiver is never to delay another. So each has a bounded number of calls (`per_receiver`);
//! the places that all share are only held while a call is young, because a receiver that hangs
//! would hold them until the time-out; and one that fails again and again is asked by one call at a
//! time, with pauses between (a circuit breaker). What waits for it meanwhile uses up none of its
//! attempts.

#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use tokio::time::Instant;
use tracing::{info, warn};

use crate::model::{Backoff, Timestamp};

/// A call older than this holds no place of those that all receivers share.
const YOUNG: Duration = Duration::from_secs(1);
/// So many different deliveries that failed one after the other open the circuit. One event that a
/// receiver does not like is no reason to keep the others from it.
const OPENS_AT: usize = 5;
/// So many failures in a row are told to the operator.
const TOLD_AT: u32 = 3;
/// The pause before the next single call while the circuit is open.
const PAUSE: Backoff = Backoff {
    first: Duration::from_secs(2),
    longest: Duration::from_secs(30),
};
/// Receivers that metrics name; their names are the plugins' words, and there is no end of words.
const NAMED: usize = 200;

/// A receiver: the notifier, and its name for it. The name is empty for events of which the
/// notifier has not yet said who is told.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ReceiverId {
    pub(super) plugin: String,
    pub(super) target: String,
}

/// What an attempt says of its receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// It took the delivery.
    Well,
    /// It did not, for this reason.
    Failed(String),
    /// Nothing: it was not asked, or refused this one event for good.
    Nothing,
}

/// A receiver that fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failing {
    /// Its first failure since it last took something.
    pub since: Timestamp,
    /// Failures in a row.
    pub failures: u32,
    /// The last one.
    pub reason: String,
    /// Whether the circuit is open: one call at a time, with pauses.
    pub open: bool,
}

#[derive(Debug)]
struct Trouble {
    failing: Failing,
    /// Different deliveries that failed, as far as they count.
    deliveries: HashSet<String>,
    /// When the next single call may be made; none: the circuit is closed.
    next: Option<Instant>,
    /// Single calls that failed since the circuit opened.
    single_calls: u32,
    /// The operator was told.
    told: bool,
}

#[derive(Debug, Default)]
struct Receiver {
    /// When the call of each delivery began.
    calls: HashMap<String, Instant>,
    /// The turn in which it was last called.
    turn: u64,
    trouble: Option<Trouble>,
    /// The operator was told of dead letters, since it last took something.
    gave_up: bool,
    /// Whether metrics have its name.
    named: bool,
}

/// All receivers.
#[derive(Debug)]
pub(super) struct Receivers {
    per_receiver: usize,
    places: usize,
    turn: u64,
    named: usize,
    known: HashMap<ReceiverId, Receiver>,
}

/// What can be begun for a receiver now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Room {
    /// Calls.
    pub(super) calls: usize,
    /// When there will be more by itself.
    pub(super) more_at: Option<Instant>,
    /// By this the one is found that waits longest for its turn: calls under way, then the turn of
    /// the last call.
    pub(super) order: (usize, u64),
}

impl Receivers {
    pub(super) fn new(per_receiver: usize, places: usize) -> Self {
        Self {
            per_receiver,
            places,
            turn: 0,
            named: 0,
            known: HashMap::new(),
        }
    }

    /// Calls that can be begun now, whomever they go to; and when there will be more by itself.
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

    /// Events of which it is not known who is told are asked about one by one: what a notifier
    /// remembers of them, such as an opt-out, it remembers in their order.
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
        let receiver = self.receiver(id);
        receiver.turn = turn;
        receiver.calls.insert(delivery.to_owned(), now);
    }

    /// A call has ended; `dead`: its delivery was given up. Returns the name of the receiver for
    /// metrics.
    pub(super) fn end(
        &mut self,
        id: &ReceiverId,
        delivery: &str,
        seen: Seen,
        dead: Option<&str>,
        now: Instant,
    ) -> String {
        let receiver = self.receiver(id);
        receiver.calls.remove(delivery);
        match seen {
            Seen::Well => receiver.well(id),
            Seen::Failed(reason) => receiver.failed(id, delivery, reason, now),
            Seen::Nothing => {}
        }
        if let Some(reason) = dead {
            receiver.gave_up(id, delivery, reason);
        }
        let name = if receiver.named {
            id.target.clone()
        } else {
            "(other)".to_owned()
        };
        if receiver.named {
            let failing = if receiver.trouble.is_some() { 1.0 } else { 0.0 };
            metrics::gauge!("wharf_receiver_failing", "plugin" => id.plugin.clone(), "target" => id.target.clone()).set(failing);
        } else if receiver.calls.is_empty() && receiver.trouble.is_none() {
            self.known.remove(id);
        }
        name
    }

    /// Its calls under way.
    pub(super) fn calls(&self, id: &ReceiverId) -> usize {
        self.known
            .get(id)
            .map_or(0, |receiver| receiver.calls.len())
    }

    /// No call is under way: whoever made them is gone.
    pub(super) fn forget_calls(&mut self) {
        self.known
            .values_mut()
            .for_each(|receiver| receiver.calls.clear());
    }

    /// A notifier was asked who is told, outside of any delivery.
    pub(super) fn routed(&mut self, id: &ReceiverId, event: &str, seen: Seen) {
        // The notifiers that are well need no record of it.
        if seen != Seen::Well || self.known.contains_key(id) {
            self.end(id, event, seen, None, Instant::now());
        }
    }

    /// Whether calls are kept from it for now.
    pub(super) fn is_open(&self, id: &ReceiverId) -> bool {
        self.known
            .get(id)
            .and_then(|receiver| receiver.trouble.as_ref())
            .is_some_and(|trouble| trouble.next.is_some())
    }

    /// Whether metrics name it.
    pub(super) fn is_named(&mut self, id: &ReceiverId) -> bool {
        self.known
            .get(id)
            .map_or(self.named < NAMED, |receiver| receiver.named)
            && self.receiver(id).named
    }

    /// Those that fail.
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

    fn receiver(&mut self, id: &ReceiverId) -> &mut Receiver {
        let named = &mut self.named;
        self.known.entry(id.clone()).or_insert_with(|| {
            let name = *named < NAMED;
            *named += usize::from(name);
            Receiver {
                named: name,
                ..Receiver::default()
            }
        })
    }
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
                "a receiver takes its deliveries again"
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
        // Calls that were under way when it opened say nothing new.
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
                "a notifier fails to say who is told; its events wait and it is asked again. Mend the plugin or its configuration: wharf deliveries receivers"
            );
        } else {
            warn!(
                plugin,
                receiver = target,
                reason,
                "a receiver does not take its deliveries; they wait and are tried again. Mend the receiver or its entry in gateway.toml: wharf deliveries receivers"
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
            "deliveries of a receiver are given up and kept as dead letters. Once it is mended: wharf deliveries retry {again}"
        );
    }
}
