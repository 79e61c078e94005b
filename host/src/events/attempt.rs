//! One attempt: the notifier shapes the call, we make it, the notifier says what the answer means.
//!
//! Nothing that a person can mend ends a delivery: whatever fails, a plugin too, is tried again
//! until the attempts or the time are over, and then it is a dead letter that can be delivered
//! again.

use std::time::Duration;

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
/// After failures of the plugin itself; the operator's bound comes on top.
const PLUGIN_PAUSE: Backoff = Backoff {
    first: FIRST_PAUSE,
    longest: Duration::MAX,
};
/// Bytes of a reason that is stored.
const MAX_REASON: usize = 500;

/// What came of an attempt.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) update: Update,
    pub(super) seen: Seen,
}

/// Tries one delivery. `envelope`: its event, or why it cannot be read; none when it is not in the
/// log any more.
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
            "the code has expired, or the gateway was started anew since it was shown".into(),
        ));
    };
    if delivery.target.is_empty() {
        return route_again(shared, delivery, envelope).await;
    }
    let number = delivery.attempt.saturating_add(1);
    let subject = Subject {
        session: envelope.session.clone(),
        id: delivery.id.clone(),
        traceparent: String::new(),
        attempt: number,
    };
    let request = match shared
        .notifiers
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
    match shared
        .notifiers
        .judge(&delivery.plugin, &subject, &delivery.target, &answer)
        .await
    {
        Ok(Judgement::Delivered) => Done {
            update: Update::Delivered,
            seen: Seen::Well,
        },
        // A receiver that answered is there, whatever it thinks of this event.
        Ok(Judgement::GiveUp(reason)) if matches!(answer, AttemptResult::Answered { .. }) => {
            nothing(dead(reason.into()))
        }
        // The plugin's words are its own; why no call was made is the gateway's to say.
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

/// The notifier could not say who is told: it is asked again, and who is told then becomes a
/// delivery each.
async fn route_again(shared: &Shared, delivery: &Delivery, envelope: Envelope) -> Done {
    let number = delivery.attempt.saturating_add(1);
    let targets = match shared.targets_of(&delivery.plugin, &envelope, number).await {
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

/// After a failure that is not the receiver's: the plugin's, or our own.
pub(super) fn failed(shared: &Shared, number: u32, reason: String) -> Done {
    again(
        shared,
        number,
        PLUGIN_PAUSE.pause(number.saturating_sub(1)),
        reason,
    )
}

/// The wish for a pause within the operator's bounds, and a little later than asked so that
/// receivers that come back are not met by everything at once.
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

pub(super) fn later(shared: &Shared, wish: Duration) -> Timestamp {
    let pause = jittered(
        wish.max(FIRST_PAUSE)
            .min(shared.delivery.max_delay.duration()),
        1.0..=1.1,
    );
    Timestamp::now().plus_millis(millis(pause))
}

fn dead(reason: String) -> Update {
    Update::Dead(bounded(reason))
}

pub(super) fn bounded(mut reason: String) -> String {
    reason.truncate(reason.floor_char_boundary(MAX_REASON));
    reason
}
