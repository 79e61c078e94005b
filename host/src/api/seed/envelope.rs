//! The envelope of the original service's answers. That of its refusals is [`crate::api::error`]'s.

use std::borrow::Cow;

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::api::openapi::{Operation, Output};

/// The answer of a call that was done.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "{T}Success")]
pub(in crate::api) struct Success<T> {
    /// Always true.
    success: bool,
    /// What was asked for.
    data: T,
    /// What was done, for people.
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
