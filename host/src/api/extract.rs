//! Queries and bodies taken out of a request; what cannot be taken is refused in the API's words.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request, rejection::BytesRejection},
    http::{StatusCode, request::Parts},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::{object, problem::Problem, reply::Failure, submit};
use crate::model::Timestamp;

/// The parameters of a query. Those that `T` does not know are refused, or ignored: as `T` says.
#[derive(Debug)]
pub(super) struct Params<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        object::from_query(parts.uri.query().unwrap_or_default()).map(Self).map_err(|fault| fault.of_query())
    }
}

/// A call that has no parameters: a slip of the pen is told rather than ignored.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// See [`Nothing`].
#[derive(Debug)]
pub(super) struct NoParams;

impl<S: Send + Sync> FromRequestParts<S> for NoParams {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        if parts.uri.query().is_none_or(str::is_empty) {
            return Ok(Self);
        }
        Params::<Nothing>::from_request_parts(parts, state).await.map(|_| Self)
    }
}

/// The bytes of a body that may be of any type.
#[derive(Debug)]
pub(super) struct Body(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        Bytes::from_request(request, state).await.map(Self).map_err(|rejection| unread(&rejection))
    }
}

/// A body that did not come whole.
pub(super) fn unread(rejection: &BytesRejection) -> Failure {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let message = "the body is larger than this call takes; nothing was stored";
            Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "Request body too large", message)
        }
        status => {
            Failure::new(status, "body_not_readable", "Request body not readable", "the body broke off or is not well-formed; nothing was stored")
        }
    }
}

/// A time in a query: RFC 3339 or milliseconds. The `+` of an offset that nobody has escaped comes as a blank.
pub(super) fn time(name: &str, word: Option<String>) -> Result<Option<Timestamp>, Problem> {
    let read = |word: String| {
        let text = || if word.contains('T') { word.replace(' ', "+") } else { word.clone() };
        let value = word.parse::<i64>().map_or_else(|_| Value::String(text()), Value::from);
        submit::instant(name, &value).map_err(|detail| Problem::bad("invalid_time", detail))
    };
    word.map(read).transpose()
}
