//! What every call that sends has in common, whatever its layer: times, idempotency keys, preferences.

use axum::{
    body::Bytes,
    extract::rejection::BytesRejection,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::Value;

use super::{
    App, SendCall, SendFailure, SendReply,
    access::{Caller, is_json},
    extract, object,
    once::{self, Asked},
    reply::{Failure, bad},
};
use crate::{
    model::Timestamp,
    outbox::{AcceptError, Accepted, Until},
};

/// Pairs of `metadata`, and bytes of one key or value.
pub(super) const MAX_METADATA: usize = 50;
pub(super) const MAX_PAIR: usize = 1000;
/// A `sendAt` this far back is taken for now: clocks differ.
const LATE: i64 = 60_000;
/// A `sendAt` further ahead is a slip of the pen.
const AHEAD: i64 = 366 * 86_400_000;

/// Sends, or answers for the send that the same request made before. `call` is the request as it is understood, or why it
/// is not; its times are as given. `waits` is what the answer waits for, unless it has to be accepted alone.
pub(super) async fn answer(
    app: &App,
    headers: &HeaderMap,
    caller: &Caller,
    asked: impl FnOnce() -> Option<Asked>,
    call: Result<SendCall, Failure>,
    waits: impl Fn(Until) -> Until,
) -> Result<SendReply, Failure> {
    let mut key = None;
    if once::is_keyed(headers)
        && let Some(asked) = asked()
    {
        let earlier = call.as_ref().map_or_else(|_| vec![], |call| asked.earlier_send(app.core.region(), call));
        let named = asked.key(app, headers, caller, earlier)?;
        match app.core.repeated(&named, waits(asked.until())).await {
            Ok(Some(reply)) => return Ok(reply),
            Ok(None) => key = Some(named),
            // Of a request that makes no sense that is said first.
            Err(failure) if call.is_ok() || !matches!(failure, SendFailure::Refused(AcceptError::KeyReused)) => return Err(failure.into()),
            Err(_) => {}
        }
    }
    let mut call = call?;
    call.send_at = times(call.send_at, call.expires_at)?;
    call.until = waits(if call.send_at.is_some() { Until::Accepted } else { Until::Sent });
    call.idempotency = key;
    Ok(app.core.send(call).await?)
}

/// Where an accepted send can be asked about.
pub(super) fn location(accepted: &Accepted) -> String {
    format!("/v1/messages/{}", accepted.id)
}

/// 202, with where to ask.
pub(super) fn accepted_response(accepted: &Accepted, body: Response) -> Response {
    let headers = [(header::LOCATION, location(accepted)), (header::HeaderName::from_static("preference-applied"), "respond-async".into())];
    (StatusCode::ACCEPTED, headers, body).into_response()
}

/// The body, if it can be read and calls itself JSON.
pub(super) fn readable(headers: &HeaderMap, body: Result<Bytes, BytesRejection>) -> Result<Bytes, Failure> {
    let body = body.map_err(|rejection| extract::unread(&rejection))?;
    if is_json(headers) {
        return Ok(body);
    }
    let message = "the body must be JSON, with Content-Type: application/json";
    Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "Unsupported media type", message))
}

fn invalid_time(message: String) -> Failure {
    bad("invalid_time", "Invalid time", message)
}

/// `sendAt` and `expiresAt` as they are given, whatever the clock says.
pub(super) fn given(send_at: Option<&Value>, expires_at: Option<&Value>) -> Result<(Option<Timestamp>, Option<Timestamp>), Failure> {
    let read = |name: &str, value: Option<&Value>| {
        value.filter(|value| !value.is_null()).map(|value| instant(name, value)).transpose().map_err(invalid_time)
    };
    Ok((read("sendAt", send_at)?, read("expiresAt", expires_at)?))
}

/// Judges the times of a new request by the clock; when it is to be sent. A `sendAt` that has just passed is none: the
/// message goes at once.
pub(super) fn times(send_at: Option<Timestamp>, expires_at: Option<Timestamp>) -> Result<Option<Timestamp>, Failure> {
    let now = Timestamp::now();
    if let Some(at) = send_at.filter(|at| at.0 < now.0.saturating_sub(LATE) || at.0 > now.0.saturating_add(AHEAD)) {
        return Err(invalid_time(format!("sendAt is {}, now is {}; it must lie within the next 366 days", at.rfc3339(), now.rfc3339())));
    }
    let send_at = send_at.filter(|at| *at > now);
    if let Some(at) = expires_at.filter(|at| *at <= send_at.unwrap_or(now)) {
        return Err(invalid_time(format!("expiresAt is {}; it must lie after sendAt and after now", at.rfc3339())));
    }
    Ok(send_at)
}

/// RFC 3339, or milliseconds since the Unix epoch.
pub(super) fn instant(name: &str, value: &Value) -> Result<Timestamp, String> {
    let time = match value {
        Value::String(text) => text.parse::<jiff::Timestamp>().ok().map(|at| Timestamp(at.as_millisecond())),
        Value::Number(millis) => millis.as_i64().map(Timestamp),
        _ => None,
    };
    time.ok_or_else(|| format!("{name} must be a time: RFC 3339 with an offset (2026-01-31T09:00:00Z) or milliseconds since the Unix epoch"))
}

/// Whether the caller wants an answer at the commit (RFC 7240).
pub(super) fn prefers_async(headers: &HeaderMap) -> bool {
    let wanted = |value: &HeaderValue| value.to_str().is_ok_and(|text| text.split([',', ';']).any(|part| part.trim() == "respond-async"));
    headers.get_all("prefer").iter().any(wanted)
}

/// The first field that is none of `known`, said so that a slip of the pen is found.
pub(super) fn unknown_field<'a>(fields: impl Iterator<Item = &'a String>, known: &[&str]) -> Option<Failure> {
    let unknown = fields.into_iter().find(|name| !known.contains(&name.as_str()))?;
    Some(bad("unknown_field", "Unknown field", format!("{} {}", object::shown(unknown), object::known(unknown, known))))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_read_in_both_forms_and_judged() {
        let now = Timestamp::now().0;
        let text = |millis: i64| json!(Timestamp(millis).rfc3339());
        let both = |send: Value, expires: Value| {
            let judged = given(Some(&send), Some(&expires)).and_then(|(send_at, expires_at)| Ok((times(send_at, expires_at)?, expires_at)));
            judged.map_err(|failure| failure.into_response().status().as_u16())
        };
        let soon = now + 3_600_000;
        assert_eq!(both(text(soon), Value::Null), Ok((Some(Timestamp(soon)), None)));
        assert_eq!(both(json!(soon), json!(soon + 1)), Ok((Some(Timestamp(soon)), Some(Timestamp(soon + 1)))));
        assert_eq!(both(text(now - 1000), Value::Null), Ok((None, None)), "just passed: at once");
        for (send, expires) in [
            (text(now - 3_600_000), Value::Null),
            // Seconds in place of milliseconds.
            (json!(soon / 1000), Value::Null),
            (json!(now + 400 * 86_400_000), Value::Null),
            (json!("tomorrow"), Value::Null),
            (json!("2099-01-01T09:00:00"), Value::Null),
            (json!(true), Value::Null),
            (json!(soon), json!(soon)),
            (Value::Null, text(now - 1)),
        ] {
            assert_eq!(both(send.clone(), expires.clone()), Err(400), "{send} {expires}");
        }
    }
}
