//! The form of refusals. Below `/v1`, and on helper pages, a problem document; elsewhere the envelope of the original
//! service.
//!
//! Handlers, the guard and extractors say what is wrong; which form it gets is decided here by the path, once, so nobody
//! answers in the other layer's form by mistake. What went wrong inside is logged here, with the id of the request, and
//! nowhere else: its caller gets that id and no more.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::Value;
use tracing::error;

use super::{paths::Paths, problem::Problem, reply::Failure};

const REQUEST_ID: &str = "x-request-id";
const PROBLEM: &str = "application/problem+json";
const JSON: &str = "application/json";

/// A refusal on its way out, without its form.
#[derive(Debug, Clone)]
pub(super) enum Refusal {
    Seed(Failure),
    Own(Problem),
}

impl Refusal {
    /// An answer without a body; [`shape`] makes one.
    pub(super) fn answer(self, status: StatusCode, retry_after: Option<u64>) -> Response {
        let mut response = status.into_response();
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }

    /// What went wrong inside, for the log alone.
    fn cause(&self) -> Option<&str> {
        match self {
            Self::Seed(failure) => failure.cause(),
            Self::Own(problem) => problem.cause(),
        }
    }
}

/// The layer: gives every refusal its form.
pub(super) async fn shape(State(paths): State<Arc<Paths>>, request: Request, next: Next) -> Response {
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let id = request.headers().get(REQUEST_ID).cloned();
    let mut response = next.run(request).await;
    let status = response.status();
    if !status.is_client_error() && !status.is_server_error() {
        return response;
    }
    let path = uri.path();
    let said = response.extensions_mut().remove::<Refusal>();
    let Some(refusal) = said.or_else(|| foreign(&response)) else { return response };
    let refusal = match status {
        // Also a path that only looks like one of the API, such as a session's with an unknown verb.
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED if paths.of(path).is_none() => {
            response.headers_mut().remove(header::ALLOW);
            *response.status_mut() = StatusCode::NOT_FOUND;
            match refusal {
                // A handler has said already what would be right in its place.
                Refusal::Own(problem) => Refusal::Own(problem.with("nearest", paths.nearest(path))),
                Refusal::Seed(_) => Refusal::Seed(paths.unknown(path)),
            }
        }
        StatusCode::METHOD_NOT_ALLOWED => other_method(response.headers()).map_or(refusal, Refusal::Seed),
        _ => refusal,
    };
    let refusal = match refusal {
        Refusal::Seed(failure) if is_own(path) => Refusal::Own(failure.into()),
        refusal => refusal,
    };
    let id = id.as_ref().and_then(|id| id.to_str().ok());
    let internal = refusal.cause().map(|cause| {
        // Not the path itself: that of a helper page opens it.
        let path = paths.of(path).unwrap_or("unknown");
        error!(request_id = id, %method, path, status = status.as_u16(), error = cause, "a request failed inside the gateway");
        id
    });
    let (body, kind) = match refusal {
        Refusal::Seed(failure) => (failure.body(), JSON),
        Refusal::Own(problem) => (problem.body(), PROBLEM),
    };
    finish(&mut response, body, kind, internal.flatten());
    response
}

/// Whether refusals of a path are problem documents.
fn is_own(path: &str) -> bool {
    path == "/v1" || path.starts_with("/v1/") || path.starts_with("/passkey/")
}

fn finish(response: &mut Response, mut body: Value, kind: &'static str, id: Option<&str>) {
    if let Some(id) = id {
        body["requestId"] = id.into();
    }
    response.headers_mut().remove(header::CONTENT_LENGTH);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    *response.body_mut() = Body::from(body.to_string());
}

/// A refusal of the framework in words of its own.
fn foreign(response: &Response) -> Option<Refusal> {
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    if kind.is_some_and(|kind| !kind.starts_with("text/plain")) {
        return None;
    }
    let status = response.status();
    let (code, message) = match status {
        StatusCode::BAD_REQUEST => ("invalid_path", "the path cannot be read: what is escaped in it must be UTF-8 text"),
        _ => ("refused", "the request is refused"),
    };
    Some(Refusal::Seed(Failure::new(status, code, status.canonical_reason().unwrap_or("Refused"), message)))
}

/// What the path takes instead, by the header that says so.
fn other_method(headers: &HeaderMap) -> Option<Failure> {
    let allowed = headers.get(header::ALLOW)?.to_str().ok().filter(|allowed| !allowed.is_empty())?;
    let methods = allowed.split(',').map(str::trim).collect::<Vec<_>>().join(", ");
    Some(Failure::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed", format!("this path takes {methods}")))
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
            String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).into_owned()
        }
    }

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(bytes);
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
        let broken = || async { Failure::from(StoreError::Database("no such table: outbox".into())) };
        let busy = || async { Problem::from(StoreError::Busy) };
        let around = ServiceBuilder::new()
            .layer(SetRequestIdLayer::x_request_id(MakeRequestUuid))
            .layer(PropagateRequestIdLayer::x_request_id())
            .layer(middleware::from_fn_with_state(Arc::new(Paths::default()), shape));
        let router = Router::new()
            .route("/v1/broken", get(broken))
            .route("/api/whatsapp/broken", get(broken))
            .route("/v1/busy", get(busy))
            .route("/v1/foreign", get(async || (StatusCode::BAD_REQUEST, "Invalid URL: struct Recipient")))
            .route("/page", get(async || (StatusCode::NOT_FOUND, axum::response::Html("<p>for people</p>"))))
            .layer(around);
        let request = Request::builder().uri(path).body(Body::empty()).expect("request");
        let response = router.oneshot(request).await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
        let body = to_bytes(response.into_body(), 1 << 16).await.expect("body");
        (status, kind, serde_json::from_slice(&body).unwrap_or_default(), headers)
    }

    #[tokio::test]
    async fn what_went_wrong_inside_is_logged_once_and_told_to_nobody() {
        let log = Log::default();
        let _guard = tracing::subscriber::set_default(tracing_subscriber::fmt().json().with_writer(log.clone()).finish());
        for (path, kind, words) in [("/v1/broken", "application/problem+json", "detail"), ("/api/whatsapp/broken", "application/json", "message")] {
            let (status, told, body, headers) = ask(path).await;
            assert_eq!((status, told.as_str(), &body["code"]), (500, kind, &Value::from("internal")), "{body}");
            assert!(body[words].is_string() && !body.to_string().contains("outbox"), "{body}");
            let id = body["requestId"].as_str().expect("an id");
            assert_eq!(headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()), Some(id));
            let text = log.text();
            let lines: Vec<&str> = text.lines().filter(|line| line.contains(id)).collect();
            assert!(lines.len() == 1 && lines[0].contains("no such table: outbox") && lines[0].contains("ERROR"), "{lines:?}");
        }
        let (status, _, body, headers) = ask("/v1/busy").await;
        assert!(status == 503 && body["requestId"].is_null() && headers.contains_key(header::RETRY_AFTER), "{body}");
        assert_eq!(log.text().lines().count(), 2);
    }

    #[tokio::test]
    async fn the_frameworks_own_words_are_not_passed_on_and_pages_stay_pages() {
        let (status, kind, body, _) = ask("/v1/foreign").await;
        assert_eq!((status, kind.as_str(), &body["code"]), (400, "application/problem+json", &Value::from("invalid_path")), "{body}");
        assert!(!body.to_string().contains("struct"), "{body}");
        let (status, kind, ..) = ask("/page").await;
        assert!(status == 404 && kind.starts_with("text/html"), "{status} {kind}");
    }
}
