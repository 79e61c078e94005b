//! Renders errors: below `/v1` and on helper pages as a problem document (RFC 9457), elsewhere as
//! the envelope of the original service.
//!
//! The form depends on the path alone and is decided here only, so no handler can answer in the
//! other layer's form by mistake. Internal causes are logged here only, with the id of the request;
//! the caller gets that id and nothing more.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::Response,
};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use tracing::error;

use super::{
    codes::Code,
    refusal::{ApiError, Details},
};
use crate::{
    api::paths::Paths,
    model::{SessionState, Timestamp},
    session::PasskeyStage,
};

const REQUEST_ID: &str = "x-request-id";

/// An error below `/v1`: a problem document.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Problem {
    /// Always `about:blank`: `code` identifies the kind of problem.
    r#type: &'static str,
    /// The text of the HTTP status.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// The stable, machine-readable name of the error.
    code: String,
    /// What is wrong with this request, for people.
    detail: String,
    /// The id under which the gateway's log has the cause; only with internal errors.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// Further details, depending on the code: `field`, `parameter`, `state`, `nearest` …
    #[serde(flatten)]
    #[schemars(with = "Members")]
    members: Map<String, Value>,
}

/// An error of a call of the original service, in its envelope.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct FailureEnvelope {
    /// Always false.
    success: bool,
    /// A short text for people, the same for each code.
    error: &'static str,
    /// What is wrong with this request, for people.
    message: String,
    /// The stable, machine-readable name of the error.
    code: String,
    /// The time of the response.
    timestamp: String,
    /// Further details, depending on the code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<EnvelopeMembers>")]
    data: Option<Map<String, Value>>,
    /// The id under which the gateway's log has the cause; only with internal errors.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

/// The members that a problem document may have in addition, depending on its code.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "it is only described: each refusal adds its own")]
struct Members {
    /// The invalid field of the body, such as `location.latitude` or `recipients[3].to`.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// The invalid query parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<String>,
    /// The index of the invalid recipient in a bulk order, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient: Option<u64>,
    /// The state of the session, the message or the delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    /// The stage of the passkey ceremony.
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<PasskeyStage>,
    /// Whether a new challenge has been requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    again: Option<bool>,
    /// The path of the API that is most similar to the requested one.
    #[serde(skip_serializing_if = "Option::is_none")]
    nearest: Option<String>,
    /// The gateway's id of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// WhatsApp's id of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    /// The path of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    /// The plugin that rejected the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin: Option<String>,
    /// Why the plugin rejected it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Seconds after which to try again.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u64>,
}

/// The members that an error envelope may have in `data`, depending on its code.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "it is only described: each refusal adds its own")]
struct EnvelopeMembers {
    /// The invalid field of the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// The invalid query parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<String>,
    /// The state of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_status: Option<SessionState>,
    /// The time of the response.
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    /// The path of the API that is most similar to the requested one.
    #[serde(skip_serializing_if = "Option::is_none")]
    nearest: Option<String>,
    /// The gateway's id of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// WhatsApp's id of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    /// The plugin that rejected the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin: Option<String>,
    /// Why the plugin rejected it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Seconds after which to try again.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u64>,
}

/// An error in the form in which it is sent.
#[derive(Serialize)]
#[serde(untagged)]
enum Form {
    Problem(Problem),
    Envelope(FailureEnvelope),
}

impl Form {
    /// `request_id` is the id under which the log has the cause, if there is one.
    fn of(error: ApiError, path: &str, request_id: Option<String>) -> Self {
        let Details {
            status,
            code,
            title,
            message,
            members,
            ..
        } = *error.0;
        if is_own(path) {
            let members = members
                .into_iter()
                .map(|member| (member.name.to_owned(), member.value))
                .collect();
            let title = status.canonical_reason().unwrap_or("Error");
            let (code, detail) = (code.into_owned(), message);
            return Self::Problem(Problem {
                r#type: "about:blank",
                title,
                status: status.as_u16(),
                code,
                detail,
                request_id,
                members,
            });
        }
        let members = members.into_iter().filter(|member| member.in_envelope);
        // The original service has another name for the state.
        let name = |name: &str| {
            if name == "state" {
                "connectionStatus".to_owned()
            } else {
                name.to_owned()
            }
        };
        let data: Map<String, Value> = members
            .map(|member| (name(member.name), member.value))
            .collect();
        let (code, data, timestamp) = (
            code.into_owned(),
            Some(data).filter(|data| !data.is_empty()),
            Timestamp::now().rfc3339(),
        );
        Self::Envelope(FailureEnvelope {
            success: false,
            error: title,
            message,
            code,
            timestamp,
            data,
            request_id,
        })
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Problem(_) => "application/problem+json",
            Self::Envelope(_) => "application/json",
        }
    }
}

/// Middleware that renders every error response.
pub(in crate::api) async fn shape(
    State(paths): State<Arc<Paths>>,
    request: Request,
    next: Next,
) -> Response {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let id = request.headers().get(REQUEST_ID).cloned();
    let mut response = next.run(request).await;
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let path = uri.path();
    let said = response.extensions_mut().remove::<ApiError>();
    let refusal = match status {
        // Also for a path that matches a route but does not exist, such as one with an unknown
        // action.
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED
            if paths.of(path).is_none() && (said.is_some() || is_of_framework(&response)) =>
        {
            response.headers_mut().remove(header::ALLOW);
            *response.status_mut() = StatusCode::NOT_FOUND;
            match said {
                // The handler's message already says what would be right.
                Some(error) => error.with("nearest", paths.nearest(path)),
                None => unknown(&paths, path),
            }
        }
        _ => match said.or_else(|| foreign(&response)) {
            Some(error) => error,
            None => return response,
        },
    };
    let internal = refusal.0.cause.as_deref().map(|cause| {
        // The route and not the path itself, because the path of a helper page contains its token.
        let path = paths.of(path).unwrap_or("unknown");
        let id = id.as_ref().and_then(|id| id.to_str().ok());
        error!(request_id = id, %method, path, status = status.as_u16(), error = cause, "a request failed inside the gateway");
        id.map(str::to_owned)
    });
    let form = Form::of(refusal, path, internal.flatten());
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(form.kind()));
    *response.body_mut() = Body::from(serde_json::to_vec(&form).unwrap_or_default());
    response
}

/// Whether errors of a path are problem documents.
pub(in crate::api) fn is_own(path: &str) -> bool {
    path == "/v1" || path.starts_with("/v1/") || path.starts_with("/passkey/")
}

/// The error for an unknown path, with the most similar one.
fn unknown(paths: &Paths, path: &str) -> ApiError {
    match paths.nearest(path) {
        Some(nearest) => ApiError::new(
            Code::NotFound,
            format!("there is no such path; the nearest is {nearest}"),
        )
        .with("nearest", nearest),
        None => ApiError::new(Code::NotFound, "there is no such path"),
    }
}

/// Whether an error response comes from the HTTP framework, whose responses have no body or plain
/// text.
fn is_of_framework(response: &Response) -> bool {
    let kind = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    kind.is_none_or(|kind| kind.starts_with("text/plain"))
}

/// The API error for an error response of the HTTP framework; none for the gateway's own pages.
fn foreign(response: &Response) -> Option<ApiError> {
    if !is_of_framework(response) {
        return None;
    }
    let status = response.status();
    Some(match status {
        StatusCode::NOT_FOUND => ApiError::new(Code::NotFound, "there is no such path"),
        StatusCode::METHOD_NOT_ALLOWED => {
            ApiError::new(Code::MethodNotAllowed, other_methods(response.headers()))
        }
        StatusCode::BAD_REQUEST => ApiError::path_not_utf8(),
        _ => {
            let title = status.canonical_reason().unwrap_or("Refused");
            ApiError::new(Code::Refused, "the request is refused")
                .titled(title)
                .of_status(status)
        }
    })
}

/// The methods that the path supports, taken from the `Allow` header.
fn other_methods(headers: &HeaderMap) -> String {
    match headers
        .get(header::ALLOW)
        .and_then(|allowed| allowed.to_str().ok())
        .filter(|allowed| !allowed.is_empty())
    {
        Some(allowed) => format!(
            "this path takes {}",
            allowed
                .split(',')
                .map(str::trim)
                .collect::<Vec<_>>()
                .join(", ")
        ),
        None => "this path does not take that method".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Mutex, PoisonError},
    };

    use axum::{Router, body::to_bytes, middleware, routing::get};
    use tower::{ServiceBuilder, ServiceExt};
    use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer};
    use tracing_subscriber::fmt::MakeWriter;

    use super::*;
    use crate::outbox::StoreError;

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl Log {
        fn text(&self) -> String {
            String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
                .into_owned()
        }
    }

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Log {
        type Writer = Self;

        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    /// Status, media type, body and headers of the response to a `GET`, from handlers that fail in
    /// every way.
    async fn ask(path: &str) -> (u16, String, Value, HeaderMap) {
        let broken =
            || async { ApiError::from(StoreError::Database("no such table: outbox".into())) };
        let busy = || async { ApiError::from(StoreError::Busy) };
        let around = ServiceBuilder::new()
            .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
            .layer(PropagateRequestIdLayer::x_request_id())
            .layer(middleware::from_fn_with_state(
                Arc::new(Paths::default()),
                shape,
            ));
        let router = Router::new()
            .route("/v1/broken", get(broken))
            .route("/api/whatsapp/broken", get(broken))
            .route("/v1/busy", get(busy))
            .route(
                "/v1/foreign",
                get(async || (StatusCode::BAD_REQUEST, "Invalid URL: struct Recipient")),
            )
            .route(
                "/page",
                get(async || {
                    (
                        StatusCode::NOT_FOUND,
                        axum::response::Html("<p>for people</p>"),
                    )
                }),
            )
            .layer(around);
        let request = Request::builder()
            .uri(path)
            .body(Body::empty())
            .expect("request");
        let response = router.oneshot(request).await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let kind = headers
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .unwrap_or_default()
            .to_owned();
        let body = to_bytes(response.into_body(), 1 << 16).await.expect("body");
        (
            status,
            kind,
            serde_json::from_slice(&body).unwrap_or_default(),
            headers,
        )
    }

    #[tokio::test]
    async fn what_went_wrong_inside_is_logged_once_and_told_to_nobody() {
        let log = Log::default();
        let _guard = tracing::subscriber::set_default(
            tracing_subscriber::fmt()
                .json()
                .with_writer(log.clone())
                .finish(),
        );
        for (path, kind, words) in [
            ("/v1/broken", "application/problem+json", "detail"),
            ("/api/whatsapp/broken", "application/json", "message"),
        ] {
            let (status, told, body, headers) = ask(path).await;
            assert_eq!(
                (status, told.as_str(), &body["code"]),
                (500, kind, &Value::from("internal")),
                "{body}"
            );
            assert!(
                body[words].is_string() && !body.to_string().contains("outbox"),
                "{body}"
            );
            let id = body["requestId"].as_str().expect("an id");
            assert_eq!(
                headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()),
                Some(id)
            );
            let text = log.text();
            let lines: Vec<&str> = text.lines().filter(|line| line.contains(id)).collect();
            assert!(
                lines.len() == 1
                    && lines[0].contains("no such table: outbox")
                    && lines[0].contains("ERROR"),
                "{lines:?}"
            );
        }
        let (status, _, body, headers) = ask("/v1/busy").await;
        assert!(
            status == 503
                && body["requestId"].is_null()
                && headers.contains_key(header::RETRY_AFTER),
            "{body}"
        );
        assert_eq!(log.text().lines().count(), 2);
    }

    #[tokio::test]
    async fn the_frameworks_own_words_are_not_passed_on_and_pages_stay_pages() {
        let (status, kind, body, _) = ask("/v1/foreign").await;
        assert_eq!(
            (status, kind.as_str(), &body["code"]),
            (
                400,
                "application/problem+json",
                &Value::from("invalid_path")
            ),
            "{body}"
        );
        assert!(!body.to_string().contains("struct"), "{body}");
        let (status, kind, ..) = ask("/page").await;
        assert!(
            status == 404 && kind.starts_with("text/html"),
            "{status} {kind}"
        );
    }
}
