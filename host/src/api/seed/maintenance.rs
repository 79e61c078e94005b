//! Starting a session anew and cleaning the session directory, in the original service's envelope.

use axum::{
    extract::{RawQuery, State},
    http::StatusCode,
    response::Response,
};
use serde_json::json;

use super::client::{Whose, now, session};
use crate::api::{
    App,
    extract::Params,
    object,
    reply::{Failure, INTERNAL, bad, success},
};

pub(in crate::api) async fn reconnect(State(app): State<App>, Params(whose): Params<Whose>) -> Result<Response, Failure> {
    let (client, _) = session(&app, &whose)?;
    app.core.reconnect(&client).await?;
    let data = json!({"message": "The session is being started anew", "timestamp": now()});
    Ok(success(&data, "Reconnection initiated successfully"))
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Cleaning {
    #[serde(default)]
    dry_run: bool,
}

pub(in crate::api) async fn cleanup(State(app): State<App>, RawQuery(query): RawQuery) -> Result<Response, Failure> {
    let wanted: Cleaning =
        object::from_query(query.as_deref().unwrap_or_default()).map_err(|fault| bad("invalid_field", "Invalid field", fault.says("the query")))?;
    let failed = |words: String| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "cleanup_failed", "Clean-up failed", INTERNAL).because(words);
    let done = app.core.cleanup(wanted.dry_run).await.map_err(failed)?;
    let (would, message) = if done.dry_run { ("would be ", "Session cleanup planned") } else { ("", "Session cleanup completed successfully") };
    let words = format!(
        "{} {would}removed, {} {would}set aside, {} bytes {would}freed; no login is touched",
        done.removed.len(),
        done.quarantined.len(),
        done.bytes_freed
    );
    let data = json!({
        "message": words, "timestamp": now(), "dryRun": done.dry_run, "removed": done.removed, "quarantined": done.quarantined,
        "bytesFreed": done.bytes_freed,
    });
    Ok(success(&data, message))
}
