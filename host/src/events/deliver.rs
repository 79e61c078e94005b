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
    let mut busy: HashSet<String> = HashSet::new();
    let mut next = Next { look: Some(Instant::now()), more: false };
    loop {
        if next.look.is_none_or(|at| at <= Instant::now()) {
            next = start_due(&inner, &caller, &mut running, &mut busy).await.unwrap_or_else(|error| {
                warn!(%error, "deliveries cannot be read");
                Next { look: Some(Instant::now() + FIRST_PAUSE), more: false }
            });
        }
        let look = next.look.unwrap_or_else(Instant::now);
        tokio::select! {
            Some(done) = running.join_next(), if !running.is_empty() => match done {
                Ok(Tried { id, over }) => {
                    busy.remove(&id);
                    // A delivery that is over tells nothing new of the others.
                    if next.more || !over {
                        next.look = None;
                    }
                }
                Err(error) => {
                    warn!(%error, "a delivery ended early; it will be tried again");
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
    /// It will not be tried again.
    over: bool,
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
            running.spawn(async move {
                let over = match attempt(&inner, &caller, &delivery, envelope).await {
                    Ok(over) => over,
                    Err(error) => {
                        warn!(delivery = delivery.id, %error, "the outcome of a delivery was not stored; it will be tried again");
                        tokio::time::sleep(FIRST_PAUSE).await;
                        false
                    }
                };
                Tried { id: delivery.id, over }
            });
        }
    }
    let pause = inner.store.next_delivery_at(now).await?.map_or(IDLE, |at| Duration::from_millis(at.since(Timestamp::now())).min(IDLE));
    Ok(Next { look: Some(Instant::now() + pause), more })
}

/// True: it is over.
async fn attempt(inner: &Inner, caller: &Caller, delivery: &Delivery, envelope: Option<Envelope>) -> Result<bool, StoreError> {
    let Some(envelope) = envelope else {
        inner.store.attempted(&delivery.id, Update::Dead("its event is not in the log any more".into())).await?;
        return Ok(true);
    };
    let envelope = inner.complete(envelope);
    if delivery.target.is_empty() {
        // The notifier could not say who is told; a replay asks it again.
        let new = inner.targets(envelope).await;
        let update = match new.iter().find_map(|d| d.dead.clone()) {
            Some(reason) => Update::Dead(reason),
            None => {
                inner.store.route(super::CURSOR, vec![(delivery.event_seq, new)]).await?;
                Update::Delivered
            }
        };
        inner.store.attempted(&delivery.id, update).await?;
        return Ok(false);
    }
    let number = delivery.attempt + 1;
    let subject = Subject { session: envelope.session.clone(), id: delivery.id.clone(), traceparent: String::new(), attempt: number };
    let update = match inner.notifiers.request(&delivery.plugin, &subject, &delivery.target, &envelope).await {
        Err(failure) => after_failure(inner, number, &failure),
        Ok(request) => {
            let answer = caller.call(request, inner.delivery.timeout.duration()).await;
            match inner.notifiers.judge(&delivery.plugin, &subject, &delivery.target, &answer).await {
                Ok(Judgement::Delivered) => Update::Delivered,
                Ok(Judgement::GiveUp(reason)) => Update::Dead(reason),
                Ok(Judgement::RetryAfter(wish)) => again(inner, number, wish, said(&answer)),
                Err(failure) => after_failure(inner, number, &failure),
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
    inner.store.attempted(&delivery.id, update).await?;
    Ok(over)
}

fn said(answer: &AttemptResult) -> String {
    match answer {
        AttemptResult::Answered { status, .. } => format!("the receiver answered {status}"),
        AttemptResult::Unreachable(reason) => reason.clone(),
    }
}

fn after_failure(inner: &Inner, number: u32, failure: &CallFailure) -> Update {
    let transient =
        matches!(failure.kind, FailureKind::Failed { transient: true } | FailureKind::TimedOut | FailureKind::OverCpu | FailureKind::Host);
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
