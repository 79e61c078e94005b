//! `/v1/sessions/{id}/sending`: whether a session may send, and pausing it.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{
    api::{App, extract::NoParams, problem::Problem},
    model::{ClientId, Restriction, Timestamp},
};

fn client(id: &str) -> Result<ClientId, Problem> {
    id.parse().map_err(|error: crate::model::InvalidClientId| Problem::bad("invalid_client_id", error.to_string()))
}

/// What sending can be told.
pub(in crate::api) const VERBS: [&str; 3] = ["pause", "resume", "lift"];

async fn may_send(app: &App, client: &ClientId) -> Result<Response, Problem> {
    let (now, restrictions) = app.core.sending(client).await?;
    let paused = now.paused_at.map(Timestamp::rfc3339);
    let restriction = |it: &Restriction| json!({"kind": it.kind, "code": it.kind.code(), "since": it.since.rfc3339(), "until": it.until.rfc3339()});
    Ok(Json(json!({
        "session": client, "paused": paused.is_some(), "pausedAt": paused, "firstSendAt": now.first_at.map(Timestamp::rfc3339),
        "restrictions": restrictions.iter().map(restriction).collect::<Vec<_>>(),
    }))
    .into_response())
}

/// `GET /v1/sessions/{id}/sending`
pub(in crate::api) async fn sending(State(app): State<App>, Path(id): Path<String>, _: NoParams) -> Result<Response, Problem> {
    may_send(&app, &client(&id)?).await
}

/// `POST /v1/sessions/{id}/sending/{pause|resume|lift}`
pub(in crate::api) async fn pause(State(app): State<App>, Path((id, verb)): Path<(String, String)>, _: NoParams) -> Result<Response, Problem> {
    let client = client(&id)?;
    match verb.as_str() {
        "pause" => app.core.pause_sending(&client, true).await?,
        "resume" => app.core.pause_sending(&client, false).await?,
        "lift" => app.core.lift_restrictions(&client).await?,
        _ => {
            let detail = format!("sending cannot be told to {verb:?}; it knows pause, resume and lift (what WhatsApp restricts)");
            return Err(Problem::new(StatusCode::NOT_FOUND, "not_found", detail));
        }
    }
    may_send(&app, &client).await
}
