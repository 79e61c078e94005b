//! The envelopes of the seed's answers.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{SendFailure, SessionFailure, answers::Refusal, problem::Problem};
use crate::{
    model::{FailureCode, Timestamp},
    outbox::AcceptError,
    plugins::RenderFailure,
};

/// `{"success":true,"data":…,"message":…}`.
pub(super) fn success(data: &Value, message: &str) -> Response {
    Json(json!({"success": true, "data": data, "message": message})).into_response()
}

/// What callers are told of an error whose words are for the operator.
pub(super) const INTERNAL: &str = "something went wrong inside the gateway; its log says what, under this request's id";

/// `{"success":false,"error":…,"message":…,"code":…,"timestamp":…}`; below `/v1` it becomes a [`Problem`].
#[derive(Debug, Clone)]
pub(super) struct Failure(Box<Details>);

#[derive(Debug, Clone)]
struct Details {
    status: StatusCode,
    code: String,
    error: String,
    message: String,
    data: Option<Value>,
    retry_after: Option<u64>,
    /// For the log alone.
    cause: Option<String>,
}

impl Failure {
    pub(super) fn new(status: StatusCode, code: &str, error: &str, message: impl Into<String>) -> Self {
        let (code, error, message) = (code.to_owned(), error.to_owned(), message.into());
        Self(Box::new(Details { status, code, error, message, data: None, retry_after: None, cause: None }))
    }

    /// Its caller is told nothing of `cause`, the log is.
    pub(super) fn internal(cause: impl ToString) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error", INTERNAL).because(cause)
    }

    /// What went wrong inside: for the log.
    pub(super) fn because(mut self, cause: impl ToString) -> Self {
        self.0.cause = Some(cause.to_string());
        self
    }

    pub(super) fn cause(&self) -> Option<&str> {
        self.0.cause.as_deref()
    }

    pub(super) fn body(self) -> Value {
        let Details { error, message, code, data, .. } = *self.0;
        let mut body = json!({"success": false, "error": error, "message": message, "code": code, "timestamp": Timestamp::now().rfc3339()});
        if let Some(data) = data {
            body["data"] = data;
        }
        body
    }

    pub(super) fn with(mut self, data: Value) -> Self {
        self.0.data = Some(data);
        self
    }

    pub(super) fn after(mut self, seconds: u64) -> Self {
        self.0.retry_after = Some(seconds);
        self
    }

    /// How a send ended that did not leave.
    pub(super) fn not_sent(code: FailureCode, reason: String) -> Self {
        let (status, error) = match code {
            FailureCode::NotOnWhatsapp => (StatusCode::UNPROCESSABLE_ENTITY, "Number is not on WhatsApp"),
            FailureCode::Rejected => (StatusCode::UNPROCESSABLE_ENTITY, "Message rejected"),
            FailureCode::Blocked => (StatusCode::UNPROCESSABLE_ENTITY, "Recipient is blocked"),
            FailureCode::QuoteNotFound => (StatusCode::UNPROCESSABLE_ENTITY, "Message to answer not found"),
            FailureCode::NotSentInTime => (StatusCode::SERVICE_UNAVAILABLE, "Message not sent in time"),
            FailureCode::Expired => (StatusCode::SERVICE_UNAVAILABLE, "Message expired"),
            FailureCode::Cancelled => (StatusCode::CONFLICT, "Message was cancelled"),
            FailureCode::Restricted => (StatusCode::SERVICE_UNAVAILABLE, "WhatsApp restricts this account"),
            FailureCode::RefusedByWhatsapp => (StatusCode::BAD_GATEWAY, "WhatsApp refused the message"),
            FailureCode::ChatNotFound => (StatusCode::UNPROCESSABLE_ENTITY, "No such chat"),
            FailureCode::PageError => (StatusCode::BAD_GATEWAY, "WhatsApp Web could not take the message"),
        };
        Self::new(status, code.as_str(), error, reason)
    }
}

pub(super) fn bad(code: &str, error: &str, message: impl Into<String>) -> Failure {
    Failure::new(StatusCode::BAD_REQUEST, code, error, message)
}

impl From<SendFailure> for Failure {
    fn from(failure: SendFailure) -> Self {
        let words = failure.to_string();
        let unprocessable = |code: &str, error: &str| Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, error, words.clone());
        match failure {
            SendFailure::UnknownClient(_) => Self::new(StatusCode::NOT_FOUND, "unknown_client", "Unknown client", words),
            SendFailure::NotReady { state, .. } => Self::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", "WhatsApp client is not ready", words)
                .with(json!({"connectionStatus": state})),
            SendFailure::HeldBack(held) => {
                let failure = Self::new(StatusCode::TOO_MANY_REQUESTS, "held_back", "Message held back", words);
                held.retry_after.map(|time| time.as_secs().max(1)).into_iter().fold(failure, Self::after)
            }
            SendFailure::Refused(AcceptError::Rejected(rejection)) => {
                let seconds = rejection.retry_after.map(|time| time.as_secs().max(1));
                let data = json!({"plugin": rejection.plugin, "reason": rejection.reason, "retryAfterSeconds": seconds});
                let failure = Self::new(StatusCode::UNPROCESSABLE_ENTITY, &rejection.code, "Message rejected", rejection.reason).with(data);
                seconds.into_iter().fold(failure, Self::after)
            }
            SendFailure::Refused(AcceptError::Render(failure)) => match failure {
                RenderFailure::UnknownTemplate { .. } => unprocessable("unknown_template", "Unknown template"),
                RenderFailure::MissingVariable { .. } => unprocessable("missing_variable", "Missing template variable"),
                RenderFailure::BadVariable { .. } => unprocessable("bad_variable", "Invalid template variable"),
                RenderFailure::Busy(_) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Gateway is busy", words).after(1),
                RenderFailure::Failed { .. } => unprocessable("template_failed", "Template failed"),
            },
            SendFailure::Refused(AcceptError::KindNotSupported { .. }) => unprocessable("kind_not_supported", "Kind of message not supported"),
            SendFailure::Refused(AcceptError::TooLong { .. }) => Self::new(StatusCode::BAD_REQUEST, "message_too_long", "Message too long", words),
            SendFailure::Refused(AcceptError::InFlight(id)) => {
                Self::new(StatusCode::CONFLICT, "idempotency_in_flight", "Request in flight", words).with(json!({"id": id})).after(1)
            }
            SendFailure::Refused(AcceptError::KeyReused) => unprocessable("idempotency_key_reused", "Idempotency key reused"),
            // Neither allowed nor refused: the gateway had no room to ask.
            SendFailure::Refused(AcceptError::Busy(_)) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Gateway is busy", words).after(1),
            SendFailure::Refused(AcceptError::Store(error)) => error.into(),
        }
    }
}

impl From<SessionFailure> for Failure {
    fn from(failure: SessionFailure) -> Self {
        match failure {
            SessionFailure::Store(error) => error.into(),
            SessionFailure::Unknown(_) => Self::new(StatusCode::NOT_FOUND, "unknown_client", "Unknown client", failure.to_string()),
            _ => Self::internal(failure),
        }
    }
}

/// The same in the own layer's words.
impl From<Failure> for Problem {
    fn from(failure: Failure) -> Self {
        let Details { status, code, message, data, retry_after, cause, .. } = *failure.0;
        let members = data.and_then(|data| if let Value::Object(members) = data { Some(members) } else { None }).unwrap_or_default();
        let problem = cause.into_iter().fold(Self::new(status, code, message).after(retry_after), Self::because);
        members.into_iter().fold(problem, |problem, (name, value)| {
            // The original service's name for it.
            let name = if name == "connectionStatus" { "state" } else { name.as_str() };
            problem.with(name, value)
        })
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, retry_after) = (self.0.status, self.0.retry_after);
        Refusal::Seed(self).answer(status, retry_after)
    }
}
