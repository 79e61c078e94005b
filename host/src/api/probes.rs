//! What platforms ask.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::App;

/// The process answers.
pub(super) async fn live() -> Response {
    Json(json!({"status": "ok"})).into_response()
}

/// The gateway can accept sends: database and plugins. A session that is not linked yet is no reason to restart it.
pub(super) async fn ready(State(app): State<App>) -> Response {
    let problems = app.core.problems().await;
    let status = if problems.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let word = if problems.is_empty() { "ready" } else { "not_ready" };
    (status, Json(json!({"status": word, "problems": problems}))).into_response()
}

pub(super) async fn metrics(State(app): State<App>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.core.metrics()).into_response()
}
