//! The form of refusals. Below `/v1`, and on helper pages, a problem document (RFC 9457); elsewhere
//! the envelope of the original service.
//!
//! Handlers, the guard and extractors say what is wrong; which form it gets is decided here by the
//! path, once, so nobody answers in the other layer's form by mistake. What went wrong inside is
//! logged here, with the id of the request, and nowhere else: its caller gets that id and no more.

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

/// A refusal below `/v1`: a problem document.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Problem {
    /// Always `about:blank`: `code` says what kind of problem it is.
    r#type: &'static str,
    /// The words of the HTTP status.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// The stable name of the error, for programs.
    code: String,
    /// What is wrong with this call, for people.
    detail: String,
    /// Under which id the gateway's log says what went wrong inside; only there.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    /// What else helps, by the code: `field`, `parameter`, `state`, `nearest` …
    #[serde(flatten)]
    #[schemars(with = "Members")]
    members: Map<String, Value>,
}

/// A refusal of a call of the original service: its envelope.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct FailureEnvelope {
    /// Always false.
    success: bool,
    /// A short text for people, the same for each code.
    error: &'static str,
    /// What is wrong with this call, for people.
    message: String,
    /// The stable name of the error, for programs.
    code: String,
    /// When it was answered.
    timestamp: String,
    /// What else helps, by the code.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<EnvelopeMembers>")]
    data: Option<Map<String, Value>>,
    /// Under which id the gateway's log says what went wrong inside; only there.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
}

/// What a problem document may have beside its common members, by its code.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "it is only described: each refusal adds its own")]
struct Members {
    /// The field of the body that is wrong, `location.latitude` or `recipients[3].to`.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// The parameter of the query that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<String>,
    /// The place of the wrong recipient in a bulk order, from 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient: Option<u64>,
    /// Where the session, the message or the delivery stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<String>,
    /// Where the passkey ceremony stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<PasskeyStage>,
    /// Whether a fresh challenge has been asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    again: Option<bool>,
    /// The path of the API that is most like the one that was called.
    #[serde(skip_serializing_if = "Option::is_none")]
    nearest: Option<String>,
    /// The gateway's id of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// WhatsApp's id of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    /// Where the message can be asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    /// The plugin that rejected the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    plugin: Option<String>,
    /// Why the plugin rejected it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// Seconds after which another try may help.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u64>,
}

/// What the envelope of a refusal may have in `data`, by its code.
#[derive(JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "it is only described: each refusal adds its own")]
struct EnvelopeMembers {
    /// The field of the body that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    /// The parameter of the query that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<String>,
    /// The state of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_status: Option<SessionState>,
    /// The time of the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    /// The path of the API that is most like the one that was called.
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
    /// Seconds after which another try may help.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u64>,
}

/// A refusal in its form.
#[derive(Serialize)]
#[serde(untagged)]
enum Form {
    Problem(Problem),
    Envelope(FailureEnvelope),
}

impl Form {
    /// `request_id`: where the log says more.
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
        // The original service's name for it.
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

/// The layer: gives every refusal its form.
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
        // Also a path that only looks like one of the API, such as a session's with an unknown
        // verb.
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED
            if paths.of(path).is_none() && (said.is_some() || is_of_framework(&response)) =>
        {
            response.headers_mut().remove(header::ALLOW);
            *response.status_mut() = StatusCode::NOT_FOUND;
            match said {
                // A handler has said already what would be right in its place.
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
        // Not the path itself: that of a helper page opens it.
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

/// Whether refusals of a path are problem documents.
pub(in crate::api) fn is_own(path: &str) -> bool {
    path == "/v1" || path.starts_with("/v1/") || path.starts_with("/passkey/")
}

/// 404, with the nearest path.
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

/// Whether an error is the framework's, which answers without a body or with a plain text.
fn is_of_framework(response: &Response) -> bool {
    let kind = response
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    kind.is_none_or(|kind| kind.starts_with("text/plain"))
}

/// A refusal of the framework, in our words; none: it is a page of ours.
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

/// What the path takes instead, by the header that says so.
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

    /// Status, type and body of the answer to a `GET`, in front of handlers that fail in every way.
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
