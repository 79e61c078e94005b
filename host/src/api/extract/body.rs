//! Extractors of a request's body: as bytes, as bytes declared as JSON, or as a typed object.

use std::marker::PhantomData;

use axum::{
    body::Bytes,
    extract::{FromRequest, Request, rejection::BytesRejection},
    http::{HeaderMap, StatusCode, header},
};
use serde::de::DeserializeOwned;

use crate::api::{
    error::{ApiError, Code},
    object,
};

/// The bytes of a body of any media type.
#[derive(Debug)]
pub(in crate::api) struct Body(pub(in crate::api) Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        Bytes::from_request(request, state)
            .await
            .map(Self)
            .map_err(|rejection| unread(&rejection))
    }
}

/// The bytes of a body whose `Content-Type` is JSON. Its handler parses a `T` from them through
/// `Bodies::apart`, because parsing a large one takes long.
#[derive(Debug)]
pub(in crate::api) struct JsonBody<T>(
    pub(in crate::api) Bytes,
    pub(in crate::api) PhantomData<fn() -> T>,
);

impl<S: Send + Sync, T> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let is_json = is_json(request.headers());
        let Body(bytes) = Body::from_request(request, state).await?;
        if is_json {
            return Ok(Self(bytes, PhantomData));
        }
        Err(ApiError::new(
            Code::UnsupportedMediaType,
            "the body must be JSON, with Content-Type: application/json",
        ))
    }
}

/// A body that is parsed as an object of type `T`, whatever its `Content-Type`.
#[derive(Debug)]
pub(in crate::api) struct Object<T>(pub(in crate::api) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Object<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let Body(bytes) = Body::from_request(request, state).await?;
        Ok(Self(object::from_slice(&bytes)?))
    }
}

/// Whether the `Content-Type` is JSON.
pub(in crate::api) fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    content_type
        .split(';')
        .next()
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// The error for a body that could not be read to its end.
fn unread(rejection: &BytesRejection) -> ApiError {
    match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::new(
            Code::BodyTooLarge,
            "the body is larger than this call takes; nothing was stored",
        ),
        _ => ApiError::new(
            Code::BodyNotReadable,
            "the body broke off or is not well-formed; nothing was stored",
        ),
    }
}
