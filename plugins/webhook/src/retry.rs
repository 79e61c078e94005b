//! Judges an attempt: delivered, retry later, or give up.
//!
//! Only 410 means that the receiver will never accept the event. Every other failure can be fixed
//! by a person on the receiver's side: a path that is missing for a moment during an update, a
//! changed token, an address that has moved.

use std::time::{Duration, UNIX_EPOCH};

use wharf_plugin::{AttemptResult, CallContext, HttpResponse, Judgement};

use crate::config::{Policy, Retry};

/// The longest `Retry-After` of a receiver that is honoured.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

pub(crate) fn judge(retry: &Retry, ctx: &CallContext, attempt: &AttemptResult) -> Judgement {
    let (what, wish) = match attempt {
        AttemptResult::Answered(answer) => match answer.status {
            200..300 => return Judgement::Delivered,
            410 => return Judgement::GiveUp("status 410: the receiver is gone for good".into()),
            status => (
                format!("status {status}{}", advice(status)),
                wish(answer, ctx.now),
            ),
        },
        AttemptResult::Unreachable(why) => (format!("unreachable: {why}"), None),
        other => (format!("{other:?}"), None),
    };
    if ctx.attempt >= retry.attempts {
        return Judgement::GiveUp(format!(
            "{} attempts failed, the last with {what}",
            ctx.attempt
        ));
    }
    let wait = delay(retry, ctx.attempt).max(wish.unwrap_or_default().min(LONGEST));
    Judgement::RetryAfter(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))
}

/// Advice on what a person can do about this status.
fn advice(status: u16) -> &'static str {
    match status {
        300..=399 => ": redirects are not followed; set the target's url to where it leads",
        401 | 403 => ": the receiver does not let us in; look at the target's headers and secrets",
        404 | 405 => ": the receiver has no such path; look at the target's url",
        _ => "",
    }
}

/// The wait after this attempt, by the policy.
fn delay(retry: &Retry, attempt: u32) -> Duration {
    let base = u64::from(retry.delay_seconds);
    let attempt = attempt.max(1);
    let seconds = match retry.policy {
        Policy::Constant => base,
        Policy::Linear => base.saturating_mul(u64::from(attempt)),
        Policy::Exponential => base.saturating_mul(2_u64.saturating_pow(attempt - 1)),
    };
    Duration::from_secs(seconds.min(u64::from(retry.max_delay_seconds)))
}

/// The time that the response requests with `Retry-After`, which is a number of seconds or a date.
fn wish(answer: &HttpResponse, now: u64) -> Option<Duration> {
    let text = answer.header("retry-after")?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let at = httpdate::parse_http_date(text)
        .ok()?
        .duration_since(UNIX_EPOCH)
        .ok()?;
    Some(at.saturating_sub(Duration::from_millis(now)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-15 12:00 UTC.
    const NOON: u64 = 1_768_478_400_000;

    fn policy(policy: Policy) -> Retry {
        Retry {
            policy,
            delay_seconds: 2,
            max_delay_seconds: 60,
            attempts: 100,
        }
    }

    fn answered(status: u16, retry_after: Option<&str>) -> AttemptResult {
        let headers = retry_after.map(|value| ("Retry-After".to_owned(), value.to_owned()));
        let mut answer = HttpResponse::new(status);
        answer.headers = headers.into_iter().collect();
        AttemptResult::Answered(answer)
    }

    fn after(retry: &Retry, attempt: u32, result: &AttemptResult) -> Judgement {
        let mut ctx = CallContext::default();
        ctx.attempt = attempt;
        ctx.now = NOON;
        judge(retry, &ctx, result)
    }

    #[test]
    fn every_status_has_its_meaning() {
        let retry = policy(Policy::Constant);
        for status in [200, 201, 202, 204, 299] {
            assert_eq!(
                after(&retry, 1, &answered(status, None)),
                Judgement::Delivered,
                "{status}"
            );
        }
        for status in [
            0, 100, 301, 302, 307, 308, 400, 401, 403, 404, 405, 408, 413, 422, 425, 429, 500, 502,
            503, 504, 599, 600,
        ] {
            assert_eq!(
                after(&retry, 1, &answered(status, None)),
                Judgement::RetryAfter(2000),
                "{status}"
            );
        }
        assert!(matches!(
            after(&retry, 1, &answered(410, None)),
            Judgement::GiveUp(_)
        ));
        assert_eq!(
            after(&retry, 1, &AttemptResult::Unreachable("dns".into())),
            Judgement::RetryAfter(2000)
        );
    }

    #[test]
    fn the_delay_grows_by_the_policy_up_to_its_limit() {
        for (kind, want) in [
            (Policy::Constant, [2, 2, 2, 2, 2, 2]),
            (Policy::Linear, [2, 4, 6, 8, 10, 60]),
            (Policy::Exponential, [2, 4, 8, 16, 32, 60]),
        ] {
            let waits = [1, 2, 3, 4, 5, 99].map(|attempt| {
                match after(&policy(kind), attempt, &answered(500, None)) {
                    Judgement::RetryAfter(ms) => ms / 1000,
                    other => panic!("{other:?}"),
                }
            });
            assert_eq!(waits, want, "{kind:?}");
        }
    }

    #[test]
    fn a_receiver_may_ask_for_more_time() {
        let retry = policy(Policy::Constant);
        for (header, want) in [
            ("120", 120_000),
            ("1", 2000),
            ("0", 2000),
            ("Thu, 15 Jan 2026 12:05:00 GMT", 300_000),
            ("Thu, 15 Jan 2026 11:00:00 GMT", 2000),
            ("Thursday, 15-Jan-26 12:05:00 GMT", 300_000),
            ("soon", 2000),
            ("-5", 2000),
            ("99999999999", 86_400_000),
        ] {
            assert_eq!(
                after(&retry, 1, &answered(503, Some(header))),
                Judgement::RetryAfter(want),
                "{header}"
            );
        }
    }

    #[test]
    fn the_attempts_of_the_policy_are_all_there_are() {
        let retry = Retry {
            attempts: 3,
            ..policy(Policy::Constant)
        };
        assert_eq!(
            after(&retry, 2, &answered(500, None)),
            Judgement::RetryAfter(2000)
        );
        assert_eq!(
            after(&retry, 3, &answered(500, Some("5"))),
            Judgement::GiveUp("3 attempts failed, the last with status 500".into())
        );
        assert_eq!(after(&retry, 3, &answered(200, None)), Judgement::Delivered);
        assert!(matches!(
            after(&retry, 7, &AttemptResult::Unreachable("dns".into())),
            Judgement::GiveUp(_)
        ));
    }
}
