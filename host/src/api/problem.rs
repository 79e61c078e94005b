//! Errors of `/v1`: problem documents (RFC 9457) with the `code` of the other layers.

use std::borrow::Cow;

use axum::{
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use super::{SessionFailure, answers::Refusal, reply::Failure};

/// `{"type":"about:blank","title":…,"status":…,"detail":…,"code":…}` and what else helps.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    status: StatusCode,
    code: Cow<'static, str>,
    detail: String,
    more: Map<String, Value>,
    retry_after: Option<u64>,
    /// For the log alone.
    cause: Option<String>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self { status, code: code.into(), detail: detail.into(), more: Map::new(), retry_after: None, cause: None }
    }

    pub(super) fn bad(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    /// What went wrong inside: for the log.
    pub(super) fn because(mut self, cause: impl ToString) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    pub(super) fn cause(&self) -> Option<&str> {
        self.cause.as_deref()
    }

    pub(super) fn body(self) -> Value {
        let mut body = json!({
            "type": "about:blank", "title": self.status.canonical_reason().unwrap_or("Error"), "status": self.status.as_u16(),
            "detail": self.detail, "code": self.code,
        });
        if let Some(body) = body.as_object_mut() {
            body.extend(self.more);
        }
        body
    }

    pub(super) fn after(mut self, seconds: Option<u64>) -> Self {
        self.retry_after = seconds;
        self
    }

    pub(super) fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let (status, retry_after) = (self.status, self.retry_after);
        Refusal::Own(self).answer(status, retry_after)
    }
}

impl From<SessionFailure> for Problem {
    fn from(failure: SessionFailure) -> Self {
        if let SessionFailure::Store(error) = failure {
            return error.into();
        }
        let (status, code) = match &failure {
            SessionFailure::Unknown(_) => (StatusCode::NOT_FOUND, "unknown_client"),
            SessionFailure::Exists(_) => (StatusCode::CONFLICT, "session_exists"),
            SessionFailure::Named(_) => (StatusCode::CONFLICT, "session_in_configuration"),
            SessionFailure::Logout(crate::session::LogoutError::NotLinked(_)) => (StatusCode::CONFLICT, "not_linked"),
            SessionFailure::Logout(crate::session::LogoutError::NotConfirmed(_)) => (StatusCode::GATEWAY_TIMEOUT, "logout_not_confirmed"),
            SessionFailure::Store(_) | SessionFailure::Failed(_) => return Failure::internal(failure).into(),
        };
        Self::new(status, code, failure.to_string())
    }
}
