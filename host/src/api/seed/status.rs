//! How the gateway and a session are, in the original service's envelope.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::client::{Whose, now, session};
use crate::{
    api::{
        App,
        extract::Params,
        reply::{Failure, success},
    },
    model::SessionState,
};

pub(in crate::api) async fn server_health(State(app): State<App>) -> Response {
    let version = env!("CARGO_PKG_VERSION");
    axum::Json(json!({"status": "ok", "uptime": app.started.elapsed().as_secs_f64(), "version": version, "timestamp": now()})).into_response()
}

pub(in crate::api) async fn status(State(app): State<App>, Params(whose): Params<Whose>) -> Result<Response, Failure> {
    let (client, now) = session(&app, &whose)?;
    let state = now.state;
    let data = json!({
        "isReady": state == SessionState::Ready, "connectionStatus": state, "timestamp": self::now(), "clientId": client,
    });
    Ok(success(&data, &format!("WhatsApp client is {state}")))
}

pub(in crate::api) async fn health(State(app): State<App>, Params(whose): Params<Whose>) -> Result<Response, Failure> {
    let state = session(&app, &whose)?.1.state;
    let data = json!({
        "service": "WhatsApp API", "status": "operational", "connectionStatus": state, "isReady": state == SessionState::Ready,
        "timestamp": now(), "uptime": app.started.elapsed().as_secs_f64(),
    });
    Ok(success(&data, "WhatsApp API is operational"))
}

pub(in crate::api) async fn session_info(State(app): State<App>, Params(whose): Params<Whose>) -> Result<Response, Failure> {
    let (client, _) = session(&app, &whose)?;
    let info = app.core.session_info(&client).await?;
    Ok(success(&info, "Session information retrieved successfully"))
}
