//! Which session a call of the original service is about.

use serde::Deserialize;

use crate::{
    api::{
        App, SendFailure,
        reply::{Failure, bad},
    },
    model::{ClientId, Timestamp},
    session::Snapshot,
};

pub(super) fn now() -> String {
    Timestamp::now().rfc3339()
}

/// `?clientId=`: the original service knew one client; a call that names none means the default one.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Whose {
    pub(super) client_id: Option<String>,
}

pub(in crate::api) fn client(app: &App, whose: &Whose) -> Result<ClientId, Failure> {
    let Some(id) = &whose.client_id else { return Ok(app.core.default_client().clone()) };
    id.parse().map_err(|error: crate::model::InvalidClientId| bad("invalid_client_id", "Invalid client id", error.to_string()))
}

pub(super) fn session(app: &App, whose: &Whose) -> Result<(ClientId, Snapshot), Failure> {
    let client = client(app, whose)?;
    match app.core.session(&client) {
        Some(now) => Ok((client, now)),
        None => Err(SendFailure::UnknownClient(client).into()),
    }
}
