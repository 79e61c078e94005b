//! The envelope of successful responses in the original service's format. That of errors is in
//! [`crate::api::error`].

use std::borrow::Cow;

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::openapi::{Operation, Output};

/// The response of a successful call.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "{T}Success")]
pub(in crate::api) struct Success<T> {
    /// Always true.
    success: bool,
    /// The result.
    data: T,
    /// A summary for people.
    message: Cow<'static, str>,
}

impl<T> Success<T> {
    pub(in crate::api) fn new(data: T, message: impl Into<Cow<'static, str>>) -> Self {
        Self {
            success: true,
            data,
            message: message.into(),
        }
    }

    pub(super) fn data(&self) -> &T {
        &self.data
    }
}

impl<T: JsonSchema> Output for Success<T> {
    fn describe(operation: Operation) -> Operation {
        operation.done::<Self>()
    }
}

impl<T: Serialize> IntoResponse for Success<T> {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}
