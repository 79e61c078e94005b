//! The parameters of a query.

use axum::{extract::FromRequestParts, http::request::Parts};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    api::{
        error::{ApiError, Code},
        object,
        time::instant,
    },
    model::Timestamp,
};

/// The query parameters as a `T`. Unknown parameters are refused if `T` denies unknown fields, and
/// otherwise ignored.
#[derive(Debug)]
pub(in crate::api) struct Params<T>(pub(in crate::api) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        object::from_query(parts.uri.query().unwrap_or_default())
            .map(Self)
            .map_err(|fault| fault.of_query())
    }
}

/// The parameters of a call without parameters: a mistaken one is refused and not ignored.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// See [`Nothing`].
#[derive(Debug)]
pub(in crate::api) struct NoParams;

impl<S: Send + Sync> FromRequestParts<S> for NoParams {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        if parts.uri.query().is_none_or(str::is_empty) {
            return Ok(Self);
        }
        Params::<Nothing>::from_request_parts(parts, state)
            .await
            .map(|_| Self)
    }
}

/// Reads a time in a query: RFC 3339, or milliseconds since the Unix epoch. An unescaped `+` of an
/// offset arrives as a space and is accepted.
pub(in crate::api) fn time(
    name: &str,
    word: Option<String>,
) -> Result<Option<Timestamp>, ApiError> {
    let read = |word: String| {
        let text = || {
            if word.contains('T') {
                word.replace(' ', "+")
            } else {
                word.clone()
            }
        };
        let value = word
            .parse::<i64>()
            .map_or_else(|_| Value::String(text()), Value::from);
        instant(name, &value).map_err(|detail| ApiError::new(Code::InvalidTime, detail))
    };
    word.map(read).transpose()
}
