//! Probes and metrics for container platforms and monitoring.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    error::ApiError,
    openapi::{Operation, Output},
    route::{Need, Routes},
};
use crate::services::Maintenance;

/// The default `Retry-After` of an unready gateway, in seconds.
const RETRY_AFTER: u64 = 60;

pub(super) fn routes() -> Routes {
    Routes::new()
        .get(
            "/livez",
            Need::Probe,
            live,
            Operation::new("getLiveness", "The process is alive"),
        )
        .get(
            "/readyz",
            Need::Probe,
            ready,
            Operation::new(
                "getReadiness",
                "The gateway can accept messages: the database can be written",
            ),
        )
        .get(
            "/metrics",
            Need::Metrics,
            metrics,
            Operation::new("getMetrics", "Metrics in the Prometheus text format")
                .more("With `[api] open_metrics` it needs no key."),
        )
}

/// The process is alive.
#[derive(Debug, Serialize, JsonSchema)]
struct Live {
    /// Always `ok`.
    status: &'static str,
}

/// `GET /livez`: the process is alive.
async fn live() -> Json<Live> {
    Json(Live { status: "ok" })
}

/// Whether the gateway can accept sends: 200 or 503.
#[derive(Debug, Serialize, JsonSchema)]
struct Readiness {
    /// `ready` or `not_ready`.
    status: &'static str,
    /// The error code of the problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// Descriptions of the problems, for people; empty when there are none.
    problems: Vec<String>,
    /// The `Retry-After` of the response, in seconds.
    #[serde(skip)]
    retry_after: Option<u64>,
}

impl IntoResponse for Readiness {
    fn into_response(self) -> Response {
        match self.retry_after {
            None => Json(self).into_response(),
            Some(seconds) => (
                StatusCode::SERVICE_UNAVAILABLE,
                [(header::RETRY_AFTER, seconds.to_string())],
                Json(self),
            )
                .into_response(),
        }
    }
}

/// `GET /readyz`: the gateway can accept messages, that is, the database can be written. The state
/// of sessions does not count: one that is not linked yet is no reason to restart the gateway.
async fn ready(State(maintenance): State<Arc<dyn Maintenance>>) -> Readiness {
    let Err(error) = maintenance.ready().await else {
        return Readiness {
            status: "ready",
            code: None,
            problems: vec![],
            retry_after: None,
        };
    };
    let error = ApiError::from(error);
    Readiness {
        status: "not_ready",
        code: Some(error.code().to_owned()),
        problems: vec![error.message().to_owned()],
        retry_after: Some(error.retry_after().unwrap_or(RETRY_AFTER)),
    }
}

impl Output for Readiness {
    fn describe(operation: Operation) -> Operation {
        operation
            .answers::<Self>(StatusCode::OK)
            .answers::<Self>(StatusCode::SERVICE_UNAVAILABLE)
    }
}

/// Metrics in the Prometheus text format.
#[derive(Debug)]
struct Metrics(String);

impl Metrics {
    const KIND: &str = "text/plain; version=0.0.4; charset=utf-8";
}

impl IntoResponse for Metrics {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, Self::KIND)], self.0).into_response()
    }
}

impl Output for Metrics {
    fn describe(operation: Operation) -> Operation {
        operation.answers_with(StatusCode::OK, "The current metrics.", Some("text/plain"))
    }
}

/// `GET /metrics`: metrics in the Prometheus text format.
async fn metrics(State(maintenance): State<Arc<dyn Maintenance>>) -> Metrics {
    Metrics(maintenance.metrics())
}
