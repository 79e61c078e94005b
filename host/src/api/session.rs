//! The session that a call concerns: its look-up, and the fields that both layers show of it.

use schemars::JsonSchema;
use serde::Serialize;

use super::{error::ApiError, time::Time, v1::Passkey};
use crate::{
    model::{Account, ClientId, SessionState},
    services::{SessionFailure, Sessions},
    session::Snapshot,
};

/// The present state of a session that must exist; otherwise the error `unknown_client`.
pub(super) fn find(sessions: &dyn Sessions, client: &ClientId) -> Result<Snapshot, ApiError> {
    Ok(sessions
        .get(client)
        .ok_or_else(|| SessionFailure::Unknown(client.clone()))?)
}

/// The present state of a session, as both layers show it.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionNow {
    /// Its state.
    state: SessionState,
    /// Whether it can send.
    is_ready: bool,
    /// The reason for its state, for people.
    reason: String,
    /// The passkey that WhatsApp asks for, or why the last ceremony failed.
    passkey: Option<Passkey>,
    /// Notices for the operator that are not errors, for people.
    notices: Vec<String>,
    /// Since when it is in this state.
    since: Time,
    /// Whether its profile holds a login, as far as is known.
    linked: bool,
    /// The WhatsApp account, as far as it is known.
    account: Option<Account>,
}

impl From<&Snapshot> for SessionNow {
    fn from(now: &Snapshot) -> Self {
        Self {
            state: now.state,
            is_ready: now.state == SessionState::Ready,
            reason: now.reason.clone(),
            passkey: now.passkey.as_ref().map(Passkey::from),
            notices: now.notices.clone(),
            since: now.since.into(),
            linked: now.linked,
            account: now.account.clone(),
        }
    }
}
