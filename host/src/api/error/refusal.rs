//! The error type of the API. The guard, extractors and handlers return it, and [`super::render`]
//! renders it as the original service's envelope or as a problem document, depending on the path of
//! the request.

use std::{any::Any, borrow::Cow};

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::Value;

use super::codes::Code;
use crate::model::FailureCode;

/// The message to callers for an error whose details are for the operator only.
pub(in crate::api) const INTERNAL: &str =
    "something went wrong inside the gateway; its log says what, under this request's id";

/// Why a call failed.
#[derive(Debug, Clone)]
pub(in crate::api) struct ApiError(pub(super) Box<Details>);

#[derive(Debug, Clone)]
pub(super) struct Details {
    pub(super) status: StatusCode,
    pub(super) code: Cow<'static, str>,
    pub(super) title: &'static str,
    pub(super) message: String,
    pub(super) members: Vec<Member>,
    pub(super) retry_after: Option<u64>,
    /// For the log only.
    pub(super) cause: Option<String>,
}

/// An additional machine-readable member of the error.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) value: Value,
    /// Whether the original service's envelope has it too.
    pub(super) in_envelope: bool,
}

impl ApiError {
    pub(in crate::api) fn new(code: Code, message: impl Into<String>) -> Self {
        Self(Box::new(Details {
            status: code.status(),
            code: Cow::Borrowed(code.as_str()),
            title: code.title(),
            message: message.into(),
            members: Vec::new(),
            retry_after: None,
            cause: None,
        }))
    }

    /// A rejection by a plugin, with the plugin's code.
    pub(in crate::api) fn rejected(code: String, reason: String) -> Self {
        let mut error = Self::new(Code::Rejected, reason);
        error.0.code = Cow::Owned(code);
        error
    }

    /// An internal error. `cause` is logged and not sent to the caller.
    pub(in crate::api) fn internal(cause: impl ToString) -> Self {
        Self::new(Code::Internal, INTERNAL).because(cause)
    }

    /// The path is not valid UTF-8 after percent-decoding.
    pub(in crate::api) fn path_not_utf8() -> Self {
        Self::new(
            Code::InvalidPath,
            "the path cannot be read: what is escaped in it must be UTF-8 text",
        )
    }

    /// The response to a panic. The panic's message may quote anything, so only the panic hook
    /// reports it, and the caller never gets it.
    pub(in crate::api) fn panicked(_: Box<dyn Any + Send>) -> Response {
        Self::internal("a panic; standard error says where").into_response()
    }

    /// A send that ended without being sent.
    pub(in crate::api) fn not_sent(code: FailureCode, reason: String) -> Self {
        Self::new(code.into(), reason)
    }

    /// Sets the internal cause, for the log only.
    pub(in crate::api) fn because(mut self, cause: impl ToString) -> Self {
        self.0.cause = Some(cause.to_string());
        self
    }

    /// Replaces the title of the code.
    pub(in crate::api) fn titled(mut self, title: &'static str) -> Self {
        self.0.title = title;
        self
    }

    /// Replaces the status of the code: errors of the HTTP framework keep theirs.
    pub(super) fn of_status(mut self, status: StatusCode) -> Self {
        self.0.status = status;
        self
    }

    /// Adds a machine-readable member: a member of the problem document, or of `data` in the
    /// envelope.
    pub(in crate::api) fn with(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.0.members.push(Member {
            name,
            value: value.into(),
            in_envelope: true,
        });
        self
    }

    /// As [`Self::with`], for problem documents only: clients of the original service do not expect
    /// it.
    pub(in crate::api) fn with_in_problem(
        mut self,
        name: &'static str,
        value: impl Into<Value>,
    ) -> Self {
        self.0.members.push(Member {
            name,
            value: value.into(),
            in_envelope: false,
        });
        self
    }

    /// Sets `Retry-After`, in seconds; none when the time is not known.
    pub(in crate::api) fn after(mut self, seconds: impl Into<Option<u64>>) -> Self {
        self.0.retry_after = seconds.into();
        self
    }

    pub(in crate::api) fn code(&self) -> &str {
        &self.0.code
    }

    pub(in crate::api) fn message(&self) -> &str {
        &self.0.message
    }

    pub(in crate::api) fn retry_after(&self) -> Option<u64> {
        self.0.retry_after
    }
}

/// A response without a body; [`super::render`] adds it.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = self.0.status;
        let mut response = status.into_response();
        if let Some(seconds) = self.0.retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}
