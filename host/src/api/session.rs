//! Look-up of the session that a call concerns.

use super::error::ApiError;
use crate::{
    model::ClientId,
    services::{SessionFailure, Sessions},
    session::Snapshot,
};

/// The present state of a session that must exist; otherwise the error `unknown_client`.
pub(super) fn find(sessions: &dyn Sessions, client: &ClientId) -> Result<Snapshot, ApiError> {
    Ok(sessions
        .get(client)
        .ok_or_else(|| SessionFailure::Unknown(client.clone()))?)
}
