//! The session that a call is about, as it is now.

use super::error::ApiError;
use crate::{
    model::ClientId,
    services::{SessionFailure, Sessions},
    session::Snapshot,
};

/// A session that has to be there: `unknown_client` otherwise.
pub(super) fn find(sessions: &dyn Sessions, client: &ClientId) -> Result<Snapshot, ApiError> {
    Ok(sessions
        .get(client)
        .ok_or_else(|| SessionFailure::Unknown(client.clone()))?)
}
