//! What all calls that send have in common, in both layers: times, idempotency keys, preferences.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
};
use serde_json::Value;

use super::{
    app::Defaults,
    caller::Caller,
    error::{ApiError, Code},
    idempotency::{self, NormalizedRequest},
    openapi::{Header, Input, Operation, STORE},
    time::instant,
};
use crate::{
    model::Timestamp,
    outbox::{AcceptError, Accepted, SendRequest, Until},
    services::{SendFailure, SendReply, Sends},
};

/// The most pairs of `metadata`, and the most bytes of one name or value.
const MAX_METADATA: usize = 50;
const MAX_PAIR: usize = 1000;
/// A `sendAt` at most this many milliseconds in the past counts as now, because clocks differ.
const LATE: i64 = 60_000;
/// A `sendAt` more than this many milliseconds ahead is taken for a mistake.
const AHEAD: i64 = 366 * 86_400_000;

/// The error codes of a call that sends one message, in both layers, including those of the
/// message's outcome.
pub(super) const REFUSALS: &[Code] = &[
    Code::InvalidNumber,
    Code::RecipientNotSupported,
    Code::InvalidMention,
    Code::MentionNotInText,
    Code::TooManyMentions,
    Code::TextMissing,
    Code::MessageAndTemplate,
    Code::MissingFields,
    Code::InvalidMessageId,
    Code::InvalidTime,
    Code::MessageTooLong,
    Code::UnknownClient,
    Code::NotReady,
    Code::HeldBack,
    Code::Rejected,
    Code::UnknownTemplate,
    Code::MissingVariable,
    Code::BadVariable,
    Code::TemplateFailed,
    Code::KindNotSupported,
    Code::NotOnWhatsapp,
    Code::Blocked,
    Code::QuoteNotFound,
    Code::ChatNotFound,
    Code::RefusedByWhatsapp,
    Code::PageError,
    Code::NotSentInTime,
    Code::Expired,
    Code::Cancelled,
    Code::Restricted,
    Code::OutcomeUnknown,
];

/// The error codes of repeated requests.
pub(super) const REPEATED: &[Code] = &[
    Code::InvalidIdempotencyKey,
    Code::IdempotencyInFlight,
    Code::IdempotencyKeyReused,
];

impl Input for Submission {
    fn describe(operation: Operation) -> Operation {
        operation
            .header(Header::IdempotencyKey)
            .header(Header::Prefer)
            .refuses(REFUSALS)
            .refuses(REPEATED)
            .refuses(STORE)
    }
}

/// Everything that a call that sends needs besides its body: the service, the defaults, the caller
/// and the headers.
#[derive(Debug)]
pub(super) struct Submission {
    sends: Arc<dyn Sends>,
    defaults: Arc<Defaults>,
    caller: Caller,
    headers: HeaderMap,
}

impl<S: Send + Sync> FromRequestParts<S> for Submission
where
    Arc<dyn Sends>: FromRef<S>,
    Arc<Defaults>: FromRef<S>,
{
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Self::Rejection> {
        let caller = Caller::from_request_parts(parts, state).await?;
        Ok(Self {
            sends: FromRef::from_ref(state),
            defaults: FromRef::from_ref(state),
            caller,
            headers: parts.headers.clone(),
        })
    }
}

impl Submission {
    pub(super) fn defaults(&self) -> &Defaults {
        &self.defaults
    }

    /// Whether the caller wants a response as soon as the message is stored (RFC 7240).
    pub(super) fn prefers_async(&self) -> bool {
        let wanted = |value: &HeaderValue| {
            value.to_str().is_ok_and(|text| {
                text.split([',', ';'])
                    .any(|part| part.trim() == "respond-async")
            })
        };
        self.headers.get_all("prefer").iter().any(wanted)
    }

    /// Sends a message, or replies with the message that the same request created before. `call` is
    /// the parsed request, with its times as given, or the reason why it is invalid. `waits` maps
    /// the default of what the response waits for to what the caller wants.
    pub(super) async fn answer(
        &self,
        normalized: impl FnOnce() -> Option<NormalizedRequest>,
        call: Result<SendRequest, ApiError>,
        waits: impl Fn(Until) -> Until,
    ) -> Result<SendReply, ApiError> {
        let mut key = None;
        if idempotency::is_keyed(&self.headers)
            && let Some(normalized) = normalized()
        {
            let earlier = call.as_ref().map_or_else(
                |_| vec![],
                |call| normalized.earlier_send(self.defaults.region, call),
            );
            let named = normalized.key(&self.defaults, &self.headers, &self.caller, earlier)?;
            match self.sends.repeated(&named, waits(normalized.until())).await {
                Ok(Some(reply)) => return Ok(reply),
                Ok(None) => key = Some(named),
                // An invalid request is reported as such rather than as a reused key.
                Err(failure)
                    if call.is_ok()
                        || !matches!(failure, SendFailure::Refused(AcceptError::KeyReused)) =>
                {
                    return Err(failure.into());
                }
                Err(_) => {}
            }
        }
        let mut call = call?;
        call.send_at = times(call.send_at, call.expires_at)?;
        call.idempotency = key;
        let until = match call.send_at {
            Some(_) => Until::Accepted,
            None => Until::Sent,
        };
        Ok(self.sends.send(call, waits(until)).await?)
    }
}

/// The path of an accepted message.
pub(super) fn location(accepted: &Accepted) -> String {
    format!("/v1/messages/{}", accepted.id)
}

/// Checks the number and length of a caller's free-form pairs.
pub(super) fn metadata(pairs: BTreeMap<String, String>) -> Result<Vec<(String, String)>, ApiError> {
    if pairs.len() > MAX_METADATA
        || pairs
            .iter()
            .any(|(name, value)| name.len() > MAX_PAIR || value.len() > MAX_PAIR)
    {
        let message =
            format!("metadata may have {MAX_METADATA} pairs of at most {MAX_PAIR} bytes each");
        return Err(ApiError::new(Code::MetadataTooLarge, message));
    }
    Ok(pairs.into_iter().collect())
}

/// The response 202 with the path of the message.
pub(super) fn accepted<B>(
    accepted: &Accepted,
    body: B,
) -> (StatusCode, [(HeaderName, String); 2], B) {
    let headers = [
        (header::LOCATION, location(accepted)),
        (
            HeaderName::from_static("preference-applied"),
            "respond-async".into(),
        ),
    ];
    (StatusCode::ACCEPTED, headers, body)
}

fn invalid_time(message: String) -> ApiError {
    ApiError::new(Code::InvalidTime, message)
}

/// Parses `sendAt` and `expiresAt` without comparing them with the clock.
pub(super) fn given(
    send_at: Option<&Value>,
    expires_at: Option<&Value>,
) -> Result<(Option<Timestamp>, Option<Timestamp>), ApiError> {
    let read = |name: &str, value: Option<&Value>| {
        value
            .filter(|value| !value.is_null())
            .map(|value| instant(name, value))
            .transpose()
            .map_err(invalid_time)
    };
    Ok((read("sendAt", send_at)?, read("expiresAt", expires_at)?))
}

/// Compares the times of a new request with the clock, and returns when to send it. None means at
/// once, also for a `sendAt` that has just passed.
pub(super) fn times(
    send_at: Option<Timestamp>,
    expires_at: Option<Timestamp>,
) -> Result<Option<Timestamp>, ApiError> {
    let now = Timestamp::now();
    if let Some(at) =
        send_at.filter(|at| at.0 < now.0.saturating_sub(LATE) || at.0 > now.0.saturating_add(AHEAD))
    {
        return Err(invalid_time(format!(
            "sendAt is {}, and now is {}; it must lie within the next 366 days",
            at.rfc3339(),
            now.rfc3339()
        )));
    }
    let send_at = send_at.filter(|at| *at > now);
    if let Some(at) = expires_at.filter(|at| *at <= send_at.unwrap_or(now)) {
        return Err(invalid_time(format!(
            "expiresAt is {}; it must lie after sendAt and after now",
            at.rfc3339()
        )));
    }
    Ok(send_at)
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_read_in_both_forms_and_judged() {
        let now = Timestamp::now().0;
        let text = |millis: i64| json!(Timestamp(millis).rfc3339());
        let both = |send: Value, expires: Value| {
            let judged = given(Some(&send), Some(&expires))
                .and_then(|(send_at, expires_at)| Ok((times(send_at, expires_at)?, expires_at)));
            judged.map_err(|error| error.into_response().status().as_u16())
        };
        let soon = now + 3_600_000;
        assert_eq!(
            both(text(soon), Value::Null),
            Ok((Some(Timestamp(soon)), None))
        );
        assert_eq!(
            both(json!(soon), json!(soon + 1)),
            Ok((Some(Timestamp(soon)), Some(Timestamp(soon + 1))))
        );
        assert_eq!(
            both(text(now - 1000), Value::Null),
            Ok((None, None)),
            "just passed: at once"
        );
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
            assert_eq!(
                both(send.clone(), expires.clone()),
                Err(400),
                "{send} {expires}"
            );
        }
    }
}
