//! One delivery attempt: the notifier shapes the request, the host makes the call, and the notifier
//! judges the answer.
//!
//! A failure that a person can repair never loses a delivery. Whatever fails, even a plugin, is
//! tried again until the attempts or the time are used up. Then the delivery is a dead letter,
//! which can be retried.

use std::{sync::Arc, time::Duration};

use super::{
    http::Caller,
    receivers::Seen,
    shared::{CURSOR, Shared},
};
use crate::{
    model::{Backoff, Envelope, Timestamp, jittered, millis},
    plugins::{AttemptResult, Judgement, Subject},
    store::{Delivery, Update},
};

/// The shortest pause between two attempts.
pub(super) const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// Pauses after failures of the plugin itself. The configured `max_delay` limits them further.
const PLUGIN_PAUSE: Backoff = Backoff {
    first: FIRST_PAUSE,
    longest: Duration::MAX,
};
/// Maximum length of a stored reason, in bytes.
const MAX_REASON: usize = 500;

/// The outcome of an attempt.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) update: Update,
    pub(super) seen: Seen,
}

/// Tries one delivery. `envelope` is its event, or why that cannot be read, or `None` if it is not
/// in the log any more.
pub(super) async fn attempt(
    shared: &Shared,
    caller: &Caller,
    delivery: &Delivery,
    envelope: Option<Result<Envelope, String>>,
) -> Done {
    let nothing = |update| Done {
        update,
        seen: Seen::Nothing,
    };
    let envelope = match envelope {
        Some(Ok(envelope)) => envelope,
        Some(Err(reason)) => return nothing(dead(format!("its event cannot be read: {reason}"))),
        None => return nothing(dead("its event is not in the log any more".into())),
    };
    let Some(envelope) = shared.complete(envelope) else {
        return nothing(Update::Stale(
            "the code has expired, or the gateway has restarted since it was shown".into(),
        ));
    };
    if delivery.target.is_empty() {
        return route_again(shared, delivery, envelope).await;
    }
    let number = delivery.attempt.saturating_add(1);
    let subject = Subject {
        session: envelope.session.clone(),
        id: delivery.id.clone(),
        attempt: number,
    };
    // The version that shapes the request also judges its answer.
    let notifiers = Arc::clone(&shared.notifiers).round();
    let request = match notifiers
        .request(&delivery.plugin, &subject, &delivery.target, &envelope)
        .await
    {
        Ok(request) => request,
        Err(failure) => return failed(shared, number, failure.to_string()),
    };
    let answer = caller
        .call(
            &delivery.plugin,
            request,
            shared.delivery.timeout.duration(),
        )
        .await;
    match notifiers
        .judge(&delivery.plugin, &subject, &delivery.target, &answer)
        .await
    {
        Ok(Judgement::Delivered) => Done {
            update: Update::Delivered,
            seen: Seen::Well,
        },
        // A receiver that answered is reachable, even if it refuses this event.
        Ok(Judgement::GiveUp(reason)) if matches!(answer, AttemptResult::Answered { .. }) => {
            nothing(dead(reason.into()))
        }
        // The plugin's reason may be anything, so the reason why there was no answer comes first.
        Ok(Judgement::GiveUp(reason)) => {
            let reason = bounded(format!("{}; the plugin gave up: {reason}", said(&answer)));
            Done {
                update: Update::Dead(reason.clone()),
                seen: Seen::Failed(reason),
            }
        }
        Ok(Judgement::RetryAfter(wish)) => again(shared, number, wish, said(&answer)),
        Err(failure) => failed(shared, number, failure.to_string()),
    }
}

/// Asks a notifier again that could not name the targets of an event. Each target becomes a
/// delivery.
async fn route_again(shared: &Shared, delivery: &Delivery, envelope: Envelope) -> Done {
    let number = delivery.attempt.saturating_add(1);
    let notifiers = Arc::clone(&shared.notifiers).round();
    let targets = match Shared::targets_of(&*notifiers, &delivery.plugin, &envelope, number).await {
        Ok(targets) => targets,
        Err(reason) => return failed(shared, number, reason),
    };
    let new = targets
        .into_iter()
        .map(|target| shared.new_delivery(&delivery.plugin, target, None))
        .collect();
    match shared
        .store
        .route(CURSOR, vec![(delivery.event_seq, new)])
        .await
    {
        Ok(()) => {
            shared.due.notify_one();
            Done {
                update: Update::Delivered,
                seen: Seen::Well,
            }
        }
        Err(error) => again(shared, number, FIRST_PAUSE, error.to_string()),
    }
}

fn said(answer: &AttemptResult) -> String {
    match answer {
        AttemptResult::Answered { status, .. } => format!("the receiver answered {status}"),
        AttemptResult::Unreachable(reason) => reason.clone(),
    }
}

/// The outcome after a failure of the plugin or of the gateway, not of the receiver.
pub(super) fn failed(shared: &Shared, number: u32, reason: String) -> Done {
    again(
        shared,
        number,
        PLUGIN_PAUSE.pause(number.saturating_sub(1)),
        reason,
    )
}

/// The outcome after a failure: another attempt after the pause `wish`, or a dead letter if the
/// attempts are used up.
fn again(shared: &Shared, number: u32, wish: Duration, reason: String) -> Done {
    let reason = bounded(reason);
    let update = if number >= shared.delivery.max_attempts {
        dead(format!("{number} attempts, the last: {reason}"))
    } else {
        Update::Retry(later(shared, wish), reason.clone())
    };
    Done {
        update,
        seen: Seen::Failed(reason),
    }
}

/// When to try again: after `wish`, within the configured bounds, plus up to 10 % at random so that
/// a receiver that recovers does not get everything at once.
pub(super) fn later(shared: &Shared, wish: Duration) -> Timestamp {
    let pause = jittered(
        wish.max(FIRST_PAUSE)
            .min(shared.delivery.max_delay.duration()),
        1.0..=1.1,
    );
    Timestamp::now().plus_millis(millis(pause))
}

/// The longest pause that [`later`] makes.
pub(super) fn longest_pause(shared: &Shared) -> Duration {
    let longest = FIRST_PAUSE.max(shared.delivery.max_delay.duration());
    longest.saturating_add(longest / 10)
}

fn dead(reason: String) -> Update {
    Update::Dead(bounded(reason))
}

pub(super) fn bounded(mut reason: String) -> String {
    reason.truncate(reason.floor_char_boundary(MAX_REASON));
    reason
}
