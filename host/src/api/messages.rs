//! `/v1/messages/{id}`: where an accepted send stands. What `Location` of a 202 points to.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{App, reply::Failure};
use crate::outbox::{OutboxId, OutboxRow};

pub(super) fn shape(row: &OutboxRow) -> Value {
    json!({
        "id": row.id, "clientId": row.client, "state": row.state, "to": row.chat.as_ref().unwrap_or(&row.message.to.chat),
        "messageId": row.message_key.as_ref().unwrap_or(&row.message_id.0), "ack": row.ack, "outcome": row.outcome(),
        "createdAt": row.created_at.rfc3339(), "updatedAt": row.updated_at.rfc3339(),
    })
}

pub(super) async fn get(State(app): State<App>, Path(id): Path<String>) -> Response {
    match app.core.message(&OutboxId(id)).await {
        Ok(Some(row)) => Json(shape(&row)).into_response(),
        Ok(None) => Failure::new(StatusCode::NOT_FOUND, "not_found", "Not found", "there is no message of that id").into_response(),
        Err(words) => Failure::internal(words).into_response(),
    }
}
