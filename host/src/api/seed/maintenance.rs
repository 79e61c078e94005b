//! Restarting a session and cleaning the session directory, in the original service's format.

use std::sync::Arc;

use axum::extract::{RawQuery, State};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::envelope::Success;
use crate::{
    api::{
        error::{ApiError, Code, INTERNAL},
        extract::Client,
        object,
        openapi::{Operation, STORE},
        route::{
            Need::{All, Of},
            Routes,
        },
        session::find,
        time::Time,
    },
    config::Scope::{Admin, Control},
    services::{Maintenance, SessionAction, Sessions},
};

pub(super) fn routes() -> Routes {
    Routes::new()
        .post(
            "/api/whatsapp/reconnect",
            Of(Control),
            reconnect,
            Operation::new("seedReconnect", "Restarts a session, whatever its state")
                .refuses(&[Code::UnknownClient])
                .refuses(STORE),
        )
        .post(
            "/api/whatsapp/cleanup-sessions",
            All(Admin),
            cleanup,
            Operation::new(
                "seedCleanupSessions",
                "Removes files that no session needs; logins are never deleted",
            )
            .query::<Cleaning>()
            .refuses(&[Code::InvalidField, Code::CleanupFailed]),
        )
}

/// The session is being restarted.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "SeedReconnecting")]
struct Reconnecting {
    /// A description for people.
    message: &'static str,
    /// The time of the response.
    timestamp: Time,
}

/// `POST /api/whatsapp/reconnect`: restarts a session, whatever its state.
async fn reconnect(
    State(sessions): State<Arc<dyn Sessions>>,
    Client(client): Client,
) -> Result<Success<Reconnecting>, ApiError> {
    find(&*sessions, &client)?;
    sessions.control(&client, SessionAction::Restart).await?;
    let data = Reconnecting {
        message: "The session is being started anew",
        timestamp: Time::now(),
    };
    Ok(Success::new(data, "Reconnection initiated successfully"))
}

/// Parameters of a clean-up.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Cleaning {
    /// Whether only to report what would be done.
    #[serde(default)]
    dry_run: bool,
}

/// What a clean-up did or would do.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SeedCleaned")]
struct Cleaned {
    /// What was done, for people.
    message: String,
    /// The time of the response.
    timestamp: Time,
    /// Whether this is only a report of what would be done.
    dry_run: bool,
    /// Folders removed, relative to the session path.
    removed: Vec<String>,
    /// Folders moved to `.quarantine` because they may hold a login, relative to the session path.
    quarantined: Vec<String>,
    /// Disk space freed, in bytes.
    bytes_freed: u64,
}

/// `POST /api/whatsapp/cleanup-sessions`: removes files that no session needs. Logins are never
/// deleted.
async fn cleanup(
    State(maintenance): State<Arc<dyn Maintenance>>,
    RawQuery(query): RawQuery,
) -> Result<Success<Cleaned>, ApiError> {
    let wanted: Cleaning = object::from_query(query.as_deref().unwrap_or_default())
        .map_err(|fault| ApiError::new(Code::InvalidField, fault.says("the query")))?;
    let failed = |words: String| ApiError::new(Code::CleanupFailed, INTERNAL).because(words);
    let done = maintenance.cleanup(wanted.dry_run).await.map_err(failed)?;
    let (would, message) = if done.dry_run {
        ("would be ", "Session cleanup planned")
    } else {
        ("", "Session cleanup completed successfully")
    };
    let words = format!(
        "{} {would}removed, {} {would}set aside, {} bytes {would}freed; no login is touched",
        done.removed.len(),
        done.quarantined.len(),
        done.bytes_freed
    );
    let data = Cleaned {
        message: words,
        timestamp: Time::now(),
        dry_run: done.dry_run,
        removed: done.removed,
        quarantined: done.quarantined,
        bytes_freed: done.bytes_freed,
    };
    Ok(Success::new(data, message))
}
