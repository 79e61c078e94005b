//! The session that a call is about, as it is now.

use schemars::JsonSchema;
use serde::Serialize;

use super::{error::ApiError, time::Time, v1::Passkey};
use crate::{
    model::{Account, ClientId, SessionState},
    services::{SessionFailure, Sessions},
    session::Snapshot,
};

/// A session that has to be there: `unknown_client` otherwise.
pub(super) fn find(sessions: &dyn Sessions, client: &ClientId) -> Result<Snapshot, ApiError> {
    Ok(sessions
        .get(client)
        .ok_or_else(|| SessionFailure::Unknown(client.clone()))?)
}

/// Where a session stands, which both layers say in the same words.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SessionNow {
    /// Where it stands.
    state: SessionState,
    /// Whether it can send.
    is_ready: bool,
    /// Why it stands there, for people.
    reason: String,
    /// The passkey that WhatsApp asks for, or why it was asked for in vain.
    passkey: Option<Passkey>,
    /// What an operator should know although nothing is broken, for people.
    notices: Vec<String>,
    /// Since when it stands there.
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
