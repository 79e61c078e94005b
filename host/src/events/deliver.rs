//! Deliveries: due rows are tried, several at a time; what comes of each is written down before it is forgotten.

use std::{collections::HashSet, sync::Arc, time::Duration};

use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::{Inner, http::Caller};
use crate::{
    model::Timestamp,
    plugins::{AttemptResult, CallFailure, FailureKind, Judgement, Subject},
    store::{Delivery, StoreError, Update},
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
    let mut running: JoinSet<String> = JoinSet::new();
    let mut busy: HashSet<String> = HashSet::new();
    loop {
        let room = inner.delivery.concurrency.saturating_sub(busy.len());
        match start_due(&inner, &caller, &mut running, &mut busy, room).await {
            Ok(()) => {}
            Err(error) => warn!(%error, "deliveries cannot be read"),
        }
        let pause = pause(&inner, busy.is_empty()).await;
        tokio::select! {
            Some(done) = running.join_next(), if !running.is_empty() => match done {
                Ok(id) => { busy.remove(&id); }
                Err(error) => {
                    warn!(%error, "a delivery ended early; it will be tried again");
                    busy.clear();
                }
            },
            () = inner.due.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

async fn start_due(
    inner: &Arc<Inner>,
    caller: &Arc<Caller>,
    running: &mut JoinSet<String>,
    busy: &mut HashSet<String>,
    room: usize,
) -> Result<(), StoreError> {
    if room == 0 {
        return Ok(());
    }
    let due = inner.store.due_deliveries(u32::try_from(room + busy.len()).unwrap_or(u32::MAX)).await?;
    for delivery in due {
        if busy.len() < inner.delivery.concurrency && busy.insert(delivery.id.clone()) {
            let (inner, caller) = (Arc::clone(inner), Arc::clone(caller));
            running.spawn(async move {
                let id = delivery.id.clone();
                if let Err(error) = attempt(&inner, &caller, &delivery).await {
                    warn!(delivery = id, %error, "the outcome of a delivery was not stored; it will be tried again");
                    tokio::time::sleep(FIRST_PAUSE).await;
                }
                id
            });
        }
    }
    Ok(())
}

async fn pause(inner: &Inner, idle: bool) -> Duration {
    if !idle {
        // What is being tried is still due in the table, so its time says nothing about the others.
        return FIRST_PAUSE;
    }
    match inner.store.next_delivery_at().await {
        Ok(Some(at)) => Duration::from_millis(at.since(Timestamp::now())).min(IDLE),
        _ => IDLE,
    }
}

async fn attempt(inner: &Inner, caller: &Caller, delivery: &Delivery) -> Result<(), StoreError> {
    let Some(event) = inner.store.event(delivery.event_seq).await? else {
        return inner.store.attempted(&delivery.id, Update::Dead("its event is not in the log any more".into())).await;
    };
    let envelope = inner.complete(event.envelope);
    if delivery.target.is_empty() {
        // The notifier could not say who is told; a replay asks it again.
        let new = inner.targets(&envelope).await;
        return match new.iter().find_map(|d| d.dead.clone()) {
            Some(reason) => inner.store.attempted(&delivery.id, Update::Dead(reason)).await,
            None => {
                inner.store.route(super::CURSOR, delivery.event_seq, new).await?;
                inner.store.attempted(&delivery.id, Update::Delivered).await
            }
        };
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
    inner.store.attempted(&delivery.id, update).await
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
