//! `/v1/sessions/{id}/pairing-code`: linking by phone number.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde::Deserialize;

use crate::{
    api::{
        app::Defaults,
        error::ApiError,
        extract::{NoParams, Object, Session},
        pairing::{NO_STORE, NoStore, PairingCode},
        recipient::{self, Written},
        route::{Need::Of, Routes},
    },
    config::Scope::Control,
    services::Linking,
};

const PATH: &str = "/v1/sessions/{id}/pairing-code";

pub(super) fn routes() -> Routes {
    Routes::new().post(PATH, Of(Control), create).delete(PATH, Of(Control), cancel)
}

/// Which number the session is to be linked to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CodeRequest {
    /// The phone number of the account.
    number: Written,
}

/// `POST /v1/sessions/{id}/pairing-code`: a code to be typed on the phone.
async fn create(
    State(linking): State<Arc<dyn Linking>>,
    State(defaults): State<Arc<Defaults>>,
    _: NoParams,
    Session(client): Session,
    Object(wanted): Object<CodeRequest>,
) -> Result<NoStore<Json<PairingCode>>, ApiError> {
    let number = recipient::number(defaults.region, wanted.number.text())?;
    let code = linking.code(&client, &number).await?;
    Ok((NO_STORE, Json(code.into())))
}

/// `DELETE /v1/sessions/{id}/pairing-code`: gives the code up and shows QR codes again.
async fn cancel(State(linking): State<Arc<dyn Linking>>, _: NoParams, Session(client): Session) -> Result<StatusCode, ApiError> {
    linking.cancel(&client).await?;
    Ok(StatusCode::NO_CONTENT)
}
