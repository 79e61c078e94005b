//! What platforms ask.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{App, storage};

/// The process answers.
pub(super) async fn live() -> Response {
    Json(json!({"status": "ok"})).into_response()
}

/// The gateway can accept sends: the database takes a write. A session that is not linked yet is no reason to restart it.
pub(super) async fn ready(State(app): State<App>) -> Response {
    let Err(error) = app.core.ready().await else {
        return Json(json!({"status": "ready", "problems": []})).into_response();
    };
    let answer = storage::answer(&error);
    let body = Json(json!({"status": "not_ready", "code": answer.code, "problems": [answer.words]}));
    let retry_after = answer.retry_after.map(|seconds| [(header::RETRY_AFTER, seconds.to_string())]);
    (StatusCode::SERVICE_UNAVAILABLE, retry_after.unwrap_or([(header::RETRY_AFTER, "60".to_owned())]), body).into_response()
}

pub(super) async fn metrics(State(app): State<App>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.core.metrics()).into_response()
}
