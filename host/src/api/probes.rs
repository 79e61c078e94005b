//! What platforms ask.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use super::{
    error::ApiError,
    route::{
        Need::{All, Nothing},
        Routes,
    },
};
use crate::{config::Scope::Admin, services::Maintenance};

/// Seconds after which an unready gateway is worth another look, where nothing else is known.
const RETRY_AFTER: u64 = 60;

pub(super) fn routes() -> Routes {
    Routes::new().get("/livez", Nothing, live).get("/readyz", Nothing, ready).get("/metrics", All(Admin), metrics)
}

/// The process answers.
#[derive(Debug, Serialize)]
struct Live {
    /// Always `ok`.
    status: &'static str,
}

/// `GET /livez`: the process answers.
async fn live() -> Json<Live> {
    Json(Live { status: "ok" })
}

/// Whether the gateway can accept sends: 200 or 503.
#[derive(Debug, Serialize)]
struct Readiness {
    /// `ready` or `not_ready`.
    status: &'static str,
    /// The error code of what is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// What is wrong, for people; empty: nothing.
    problems: Vec<String>,
    /// Seconds until another look is worth it.
    #[serde(skip)]
    retry_after: Option<u64>,
}

impl IntoResponse for Readiness {
    fn into_response(self) -> Response {
        match self.retry_after {
            None => Json(self).into_response(),
            Some(seconds) => (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, seconds.to_string())], Json(self)).into_response(),
        }
    }
}

/// `GET /readyz`: the gateway can accept sends, that is, the database takes a write. A session that is not linked yet is no
/// reason to restart it.
async fn ready(State(maintenance): State<Arc<dyn Maintenance>>) -> Readiness {
    let Err(error) = maintenance.ready().await else {
        return Readiness { status: "ready", code: None, problems: vec![], retry_after: None };
    };
    let error = ApiError::from(error);
    Readiness {
        status: "not_ready",
        code: Some(error.code().to_owned()),
        problems: vec![error.message().to_owned()],
        retry_after: Some(error.retry_after().unwrap_or(RETRY_AFTER)),
    }
}

/// `GET /metrics`: metrics in the Prometheus text format.
async fn metrics(State(maintenance): State<Arc<dyn Maintenance>>) -> ([(HeaderName, &'static str); 1], String) {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], maintenance.metrics())
}
