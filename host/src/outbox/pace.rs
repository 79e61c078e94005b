//! Pacing: when a session may send its next message. Sending at the pace of a person protects the
//! number from being blocked.
//!
//! Each limit is a sliding window: with a budget of `n` messages per period, the `n`th last message
//! has to be at least that period ago. Messages are counted in the database, so a restart does not
//! refill a budget.

use std::time::Duration;

use crate::{
    config,
    model::{ClientId, Timestamp},
    store::{Sending, Store, StoreError},
};

const MINUTE: u64 = 60_000;
const DAY: u64 = 86_400_000;

/// When sending may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Now,
    At(Timestamp),
}

/// When a session may begin to send its next message, regardless of the recipient.
pub(super) async fn next(
    settings: &config::Pacing,
    store: &Store,
    client: &ClientId,
    sending: Sending,
    now: Timestamp,
) -> Result<Turn, StoreError> {
    let mut at = Timestamp(0);
    if let Some(last) = store.paced(client, 1, false).await? {
        at = at.max(ends(last, gap(settings, last), now));
    }
    if settings.per_minute > 0
        && let Some(nth) = store.paced(client, settings.per_minute, false).await?
    {
        at = at.max(ends(nth, MINUTE, now));
    }
    if let Some(budget) = day_budget(settings, sending.first_at, now)
        && let Some(nth) = store.paced(client, budget, false).await?
    {
        at = at.max(ends(nth, DAY, now));
    }
    Ok(turn(at, now))
}

/// Whether a stranger may be written to now.
pub(super) async fn strangers(
    settings: &config::Pacing,
    store: &Store,
    client: &ClientId,
    sending: Sending,
) -> Result<bool, StoreError> {
    Ok(!sending.restricted
        && next_cold(settings, store, client, Timestamp::now()).await? == Turn::Now)
}

/// How long the typing indicator is shown for a text of `characters` characters.
pub(super) fn typing(settings: &config::Pacing, characters: usize) -> Duration {
    let characters = u32::try_from(characters).unwrap_or(u32::MAX);
    settings
        .typing
        .duration()
        .saturating_mul(characters)
        .min(settings.typing_max.duration())
}

/// When the budget for strangers allows the next message to one.
pub(super) async fn next_cold(
    settings: &config::Pacing,
    store: &Store,
    client: &ClientId,
    now: Timestamp,
) -> Result<Turn, StoreError> {
    if settings.cold_per_day == 0 {
        return Ok(Turn::Now);
    }
    let nth = store.paced(client, settings.cold_per_day, true).await?;
    Ok(nth.map_or(Turn::Now, |nth| turn(ends(nth, DAY, now), now)))
}

fn turn(at: Timestamp, now: Timestamp) -> Turn {
    if at <= now { Turn::Now } else { Turn::At(at) }
}

/// The end of a wait in milliseconds that began at `from`. It is never further away than the whole
/// wait, because the clock may have been set back.
fn ends(from: Timestamp, wait: u64, now: Timestamp) -> Timestamp {
    from.plus_millis(wait).min(now.plus_millis(wait))
}

/// The gap in milliseconds after a message that was sent at `last`. Its random part is derived from
/// that time, so that every call returns the same gap.
fn gap(settings: &config::Pacing, last: Timestamp) -> u64 {
    let chance = settings.jitter.0;
    // The quality of the hash does not matter here.
    let drawn = last.0.unsigned_abs().wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33;
    settings.min_gap.0 + if chance == 0 { 0 } else { drawn % (chance + 1) }
}

/// The number of messages that may be sent within a day, or `None` without a limit. The warm-up
/// begins with the session's first message.
fn day_budget(
    settings: &config::Pacing,
    first_at: Option<Timestamp>,
    now: Timestamp,
) -> Option<u32> {
    let day = usize::try_from(now.since(first_at.unwrap_or(now)) / DAY).unwrap_or(usize::MAX);
    let limits = [
        (settings.per_day > 0).then_some(settings.per_day),
        settings.warm_up.get(day).copied(),
    ];
    limits.into_iter().flatten().min()
}

/// How long it is from `now` until `at`.
pub(super) fn left(at: Timestamp, now: Timestamp) -> Duration {
    Duration::from_millis(at.since(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Millis;

    #[test]
    fn a_session_warms_up_day_by_day() {
        let settings = config::Pacing {
            per_day: 80,
            warm_up: vec![20, 50, 100],
            ..config::Pacing::default()
        };
        let now = Timestamp(100 * i64::try_from(DAY).expect("small"));
        let ago = |days: u64| Some(now.minus(Duration::from_millis(days * DAY)));
        for (first, wanted) in [
            (None, 20),
            (ago(0), 20),
            (ago(1), 50),
            (ago(2), 80),
            (ago(3), 80),
        ] {
            assert_eq!(day_budget(&settings, first, now), Some(wanted), "{first:?}");
        }
        assert_eq!(day_budget(&config::Pacing::default(), None, now), None);
    }

    #[test]
    fn a_gap_is_drawn_once_and_within_its_bounds() {
        let settings = config::Pacing {
            min_gap: Millis(2000),
            jitter: Millis(1000),
            ..config::Pacing::default()
        };
        let gaps: Vec<u64> = (0..200)
            .map(|number| gap(&settings, Timestamp(1_700_000_000_000 + number * 1234)))
            .collect();
        assert!(
            gaps.iter().all(|gap| (2000..=3000).contains(gap)),
            "{gaps:?}"
        );
        assert!(
            gaps.iter().any(|gap| *gap < 2300) && gaps.iter().any(|gap| *gap > 2700),
            "no chance in {gaps:?}"
        );
        assert_eq!(gap(&settings, Timestamp(7)), gap(&settings, Timestamp(7)));
    }

    #[test]
    fn a_clock_that_was_set_back_delays_no_longer_than_one_wait() {
        let now = Timestamp(1_000_000);
        assert_eq!(
            ends(Timestamp(900_000_000), MINUTE, now),
            now.plus_millis(MINUTE)
        );
        assert_eq!(ends(Timestamp(990_000), MINUTE, now), Timestamp(1_050_000));
    }
}
