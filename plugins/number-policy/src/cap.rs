//! The daily cap: the most messages that one recipient gets per day of their time zone.
//!
//! A message is validated again before it is sent and when it is retried, and a plain counter would
//! then count it again. So the stored value of a day is the list of the counted messages, which has
//! at most as many entries as the cap.

use std::time::Duration;

use jiff::civil::Date;
use wharf_plugin::{Address, CallContext, Error, Rejection, kv};

use crate::zone::{Clock, minute_of};

/// Longer than any day, in every zone.
const KEEP: Duration = Duration::from_secs(48 * 3600);

pub(crate) fn refusal(
    most: u16,
    ctx: &CallContext,
    to: &Address,
    clock: &Clock,
    leaves: u64,
) -> Result<Option<Rejection>, Error> {
    let today = clock.local(leaves).date();
    let key = format!("cap/{}/{}", to.number().unwrap_or(&to.chat), today);
    // Messages counted while only the opaque id was known count for the number too.
    let by_id = to
        .number()
        .and(to.lid.as_deref())
        .map(|lid| format!("cap/{lid}/{today}"));
    let earlier = match by_id
        .map(|key| kv::get(&key).map(|value| (key, value)))
        .transpose()?
    {
        Some((key, Some(value))) => subjects(&key, &value.value)?,
        _ => Vec::new(),
    };
    let ttl = Duration::from_millis(leaves.saturating_sub(ctx.now)) + KEEP;
    let counted = kv::update(&key, Some(ttl), |value| {
        let mut counted = value.map_or_else(|| Ok(Vec::new()), |json| subjects(&key, json))?;
        if counted.contains(&ctx.subject_id) || earlier.contains(&ctx.subject_id) {
            return Ok((None, true));
        }
        if counted.len() + earlier.len() >= usize::from(most) {
            return Ok((None, false));
        }
        counted.push(ctx.subject_id.clone());
        let json = serde_json::to_vec(&counted)
            .map_err(|error| kv::Error::Unavailable(error.to_string()))?;
        Ok((Some(json), true))
    })?;
    Ok((!counted).then(|| {
        let wait = tomorrow(clock, today, leaves).saturating_sub(ctx.now);
        Rejection::new(
            "daily_cap",
            format!("this recipient has had {most} messages that day"),
        )
        .retry_after(Duration::from_millis(wait))
    }))
}

/// The subject ids of the messages counted on a day.
fn subjects(key: &str, json: &[u8]) -> Result<Vec<String>, kv::Error> {
    serde_json::from_slice(json).map_err(|_| kv::Error::Corrupt(key.to_owned()))
}

/// The first minute of the recipient's next day, in milliseconds since the epoch.
fn tomorrow(clock: &Clock, today: Date, leaves: u64) -> u64 {
    let minute = minute_of(leaves);
    // No day is longer than 25 hours.
    let next =
        (minute..minute + 26 * 60).find(|minute| clock.local_minute(*minute).date() != today);
    next.and_then(|next| u64::try_from(next).ok())
        .map_or(leaves, |next| next * 60_000)
}
