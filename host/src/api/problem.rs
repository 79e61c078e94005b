//! Errors of `/v1`: problem documents (RFC 9457) with the `code` of the other layers.

use std::borrow::Cow;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use super::SessionFailure;

/// `{"type":"about:blank","title":…,"status":…,"detail":…,"code":…}` and what else helps.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    code: Cow<'static, str>,
    detail: String,
    more: Map<String, Value>,
    retry_after: Option<u64>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, code: impl Into<Cow<'static, str>>, detail: impl Into<String>) -> Self {
        Self { status, code: code.into(), detail: detail.into(), more: Map::new(), retry_after: None }
    }

    pub(super) fn bad(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    pub(super) fn internal(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
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
        let mut body = json!({
            "type": "about:blank", "title": self.status.canonical_reason().unwrap_or("Error"), "status": self.status.as_u16(),
            "detail": self.detail, "code": self.code,
        });
        if let Some(body) = body.as_object_mut() {
            body.extend(self.more);
        }
        let mut response = (self.status, [(header::CONTENT_TYPE, "application/problem+json")], Json(body)).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
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
            SessionFailure::Store(_) | SessionFailure::Failed(_) => (StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        };
        Self::new(status, code, failure.to_string())
    }
}
