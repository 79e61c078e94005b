//! `/v1/sessions/{id}/held`: what was accepted for the account that a session had before.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{
    api::{App, HeldAction, extract::NoParams, problem::Problem},
    model::ClientId,
    outbox::Held,
};

/// What can be done with it.
pub(in crate::api) const VERBS: [&str; 2] = ["release", "cancel"];

fn client(id: &str) -> Result<ClientId, Problem> {
    id.parse().map_err(|error: crate::model::InvalidClientId| Problem::bad("invalid_client_id", error.to_string()))
}

/// `GET /v1/sessions/{id}/held`
pub(in crate::api) async fn get(State(app): State<App>, Path(id): Path<String>, _: NoParams) -> Result<Response, Problem> {
    let client = client(&id)?;
    let Held { messages, recipients } = app.core.held(&client).await?;
    Ok(Json(json!({"session": client, "messages": messages, "recipients": recipients})).into_response())
}

/// `POST /v1/sessions/{id}/held/{release|cancel}`
pub(in crate::api) async fn change(State(app): State<App>, Path((id, verb)): Path<(String, String)>, _: NoParams) -> Result<Response, Problem> {
    let (action, done) = match verb.as_str() {
        "release" => (HeldAction::Release, "released"),
        "cancel" => (HeldAction::Cancel, "cancelled"),
        _ => {
            let detail = format!("unknown action {verb:?}; expected release or cancel");
            return Err(Problem::new(StatusCode::NOT_FOUND, "not_found", detail));
        }
    };
    let client = client(&id)?;
    let changed = app.core.change_held(&client, action).await?;
    let Held { messages, recipients } = app.core.held(&client).await?;
    let changed = json!({"messages": changed.messages, "recipients": changed.recipients});
    let mut answer = json!({"session": client, "messages": messages, "recipients": recipients});
    answer[done] = changed;
    Ok(Json(answer).into_response())
}
