//! Deliveries: due rows are tried, several at a time; what comes of each is written down before it is forgotten.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::{task::JoinSet, time::Instant};
use tracing::{debug, warn};

use super::{Inner, http::Caller};
use crate::{
    model::{Envelope, Timestamp},
    plugins::{AttemptResult, CallFailure, FailureKind, Judgement, Subject},
    store::{Delivery, Due, StoreError, Update},
};

/// The longest sleep between two looks at the table, whatever wakes us.
const IDLE: Duration = Duration::from_secs(30);
/// First pause after a failure of the plugin itself; doubles.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

pub(super) async fn run(inner: Arc<Inner>) {
    let caller = match Caller::new() {
        Ok(caller) => Arc::new(caller),
        Err(error) => return warn!(%error, "no HTTP client: nothing is delivered"),
    };
    let mut running: JoinSet<Tried> = JoinSet::new();
    // What came of attempts while others were being noted is noted together afterwards.
    let (mut tried, mut noting): (Vec<Tried>, JoinSet<Vec<Tried>>) = (vec![], JoinSet::new());
    let mut busy: HashSet<String> = HashSet::new();
    let mut next = Next { look: Some(Instant::now()), more: false };
    loop {
        if next.look.is_none_or(|at| at <= Instant::now()) {
            next = start_due(&inner, &caller, &mut running, &mut busy).await.unwrap_or_else(|error| {
                warn!(%error, "deliveries cannot be read");
                Next { look: Some(Instant::now() + FIRST_PAUSE), more: false }
            });
        }
        if !tried.is_empty() && noting.is_empty() {
            noting.spawn(note(Arc::clone(&inner), std::mem::take(&mut tried)));
        }
        let look = next.look.unwrap_or_else(Instant::now);
        tokio::select! {
            Some(done) = running.join_next(), if !running.is_empty() => match done {
                Ok(done) => tried.push(done),
                Err(error) => {
                    warn!(%error, "a delivery ended early; it will be tried again");
                    busy.clear();
                    next.look = None;
                }
            },
            Some(noted) = noting.join_next(), if !noting.is_empty() => match noted {
                Ok(noted) => {
                    // A delivery that is over tells nothing new of the others.
                    if next.more || !noted.iter().all(|tried| tried.over) {
                        next.look = None;
                    }
                    for Tried { id, .. } in noted {
                        busy.remove(&id);
                    }
                }
                Err(error) => {
                    warn!(%error, "the outcome of a delivery was not stored; it will be tried again");
                    busy.clear();
                    next.look = None;
                }
            },
            () = inner.due.notified() => next.look = None,
            () = tokio::time::sleep_until(look) => {}
        }
    }
}

/// A delivery that was tried.
struct Tried {
    id: String,
    update: Update,
    /// It will not be tried again.
    over: bool,
}

/// Writes down what came of attempts; what could not be written is tried again.
async fn note(inner: Arc<Inner>, mut tried: Vec<Tried>) -> Vec<Tried> {
    let attempts: Vec<_> = tried.iter().map(|tried| (tried.id.clone(), tried.update.clone())).collect();
    if let Err(error) = inner.store.attempted(&attempts).await {
        warn!(deliveries = tried.len(), %error, "the outcome of deliveries was not stored; they will be tried again");
        tokio::time::sleep(FIRST_PAUSE).await;
        tried.iter_mut().for_each(|tried| tried.over = false);
    }
    tried
}

/// When to look at the table again.
struct Next {
    /// None: at once.
    look: Option<Instant>,
    /// There are more than can be tried at a time.
    more: bool,
}

async fn start_due(inner: &Arc<Inner>, caller: &Arc<Caller>, running: &mut JoinSet<Tried>, busy: &mut HashSet<String>) -> Result<Next, StoreError> {
    let (now, concurrency) = (Timestamp::now(), inner.delivery.concurrency);
    // What is being tried is still due in the table.
    let limit = concurrency + busy.len();
    let due = inner.store.due_deliveries(now, u32::try_from(limit).unwrap_or(u32::MAX)).await?;
    let more = due.len() >= limit;
    for Due { delivery, envelope } in due {
        if busy.len() >= concurrency {
            return Ok(Next { look: Some(Instant::now() + FIRST_PAUSE), more: true });
        }
        if busy.insert(delivery.id.clone()) {
            let (inner, caller) = (Arc::clone(inner), Arc::clone(caller));
            running.spawn(attempt(inner, caller, delivery, envelope));
        }
    }
    let pause = inner.store.next_delivery_at(now).await?.map_or(IDLE, |at| Duration::from_millis(at.since(Timestamp::now())).min(IDLE));
    Ok(Next { look: Some(Instant::now() + pause), more })
}

async fn attempt(inner: Arc<Inner>, caller: Arc<Caller>, delivery: Delivery, envelope: Option<Envelope>) -> Tried {
    let tried = |update: Update, over: bool| Tried { id: delivery.id.clone(), update, over };
    let Some(envelope) = envelope else {
        return tried(Update::Dead("its event is not in the log any more, or cannot be read".into()), true);
    };
    let envelope = inner.complete(envelope);
    if delivery.target.is_empty() {
        // The notifier could not say who is told; a replay asks it again.
        return tried(route_again(&inner, &delivery, envelope).await, false);
    }
    let number = delivery.attempt + 1;
    let subject = Subject { session: envelope.session.clone(), id: delivery.id.clone(), traceparent: String::new(), attempt: number };
    let update = match inner.notifiers.request(&delivery.plugin, &subject, &delivery.target, &envelope).await {
        Err(failure) => after_failure(&inner, number, &failure),
        Ok(request) => {
            let answer = caller.call(request, inner.delivery.timeout.duration()).await;
            match inner.notifiers.judge(&delivery.plugin, &subject, &delivery.target, &answer).await {
                Ok(Judgement::Delivered) => Update::Delivered,
                Ok(Judgement::GiveUp(reason)) => Update::Dead(reason),
                Ok(Judgement::RetryAfter(wish)) => again(&inner, number, wish, said(&answer)),
                Err(failure) => after_failure(&inner, number, &failure),
            }
        }
    };
    let result = match &update {
        Update::Delivered => "delivered",
        Update::Retry(..) => "retry",
        Update::Dead(reason) => {
            warn!(delivery = delivery.id, plugin = delivery.plugin, target = delivery.target, reason, "given up; kept as a dead letter");
            "dead"
        }
    };
    debug!(delivery = delivery.id, plugin = delivery.plugin, attempt = number, result, "delivery");
    metrics::counter!("wharf_deliveries_total", "plugin" => delivery.plugin.clone(), "result" => result).increment(1);
    let over = !matches!(update, Update::Retry(..));
    tried(update, over)
}

async fn route_again(inner: &Inner, delivery: &Delivery, envelope: Envelope) -> Update {
    let new = inner.targets(envelope).await;
    if let Some(reason) = new.iter().find_map(|delivery| delivery.dead.clone()) {
        return Update::Dead(reason);
    }
    match inner.store.route(super::CURSOR, vec![(delivery.event_seq, new)]).await {
        Ok(()) => Update::Delivered,
        Err(error) => again(inner, delivery.attempt + 1, FIRST_PAUSE, error.to_string()),
    }
}

fn said(answer: &AttemptResult) -> String {
    match answer {
        AttemptResult::Answered { status, .. } => format!("the receiver answered {status}"),
        AttemptResult::Unreachable(reason) => reason.clone(),
    }
}

fn after_failure(inner: &Inner, number: u32, failure: &CallFailure) -> Update {
    let transient = matches!(
        failure.kind,
        FailureKind::Failed { transient: true } | FailureKind::TimedOut | FailureKind::OverCpu | FailureKind::Busy | FailureKind::Host
    );
    if transient {
        again(inner, number, FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(number - 1)), failure.to_string())
    } else {
        Update::Dead(failure.to_string())
    }
}

/// The plugin's wish within the operator's bounds, and a little later than asked so that receivers that come back are
/// not met by everything at once.
fn again(inner: &Inner, number: u32, wish: Duration, reason: String) -> Update {
    if number >= inner.delivery.max_attempts {
        return Update::Dead(format!("{number} attempts, the last: {reason}"));
    }
    let pause = wish.min(inner.delivery.max_delay.duration()).mul_f64(rand::random_range(1.0..=1.1));
    Update::Retry(Timestamp::now().plus_millis(u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)), reason)
}
