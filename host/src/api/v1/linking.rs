//! `/v1/sessions/{id}/pairing-code`: linking by phone number.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::{
    api::{
        app::Defaults,
        error::{ApiError, Code},
        extract::{NoParams, Object, Session},
        openapi::Operation,
        pairing::{NO_STORE, NoStore, PairingCode},
        recipient::{self, RawRecipient},
        route::{Need::Of, Routes},
    },
    config::Scope::Control,
    services::Linking,
};

const PATH: &str = "/v1/sessions/{id}/pairing-code";

pub(super) fn routes() -> Routes {
    let pairing = [
        Code::UnknownClient,
        Code::NotWaitingForLink,
        Code::PairingRateLimited,
        Code::PairingNotAvailable,
        Code::PageError,
    ];
    let create_operation = Operation::new("createPairingCode", "Creates a code to be typed on the phone")
        .more("The code is valid for three minutes and is renewed five times; no QR code can be scanned meanwhile.")
        .refuses(&pairing)
        .refuses(&[Code::InvalidNumber, Code::RecipientNotSupported]);
    let cancel_operation = Operation::new(
        "cancelPairingCode",
        "Cancels the pairing code and returns to QR codes",
    )
    .status(StatusCode::NO_CONTENT)
    .refuses(&pairing);
    Routes::new()
        .post(PATH, Of(Control), create, create_operation)
        .delete(PATH, Of(Control), cancel, cancel_operation)
}

/// The phone number to link.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PairingCodeRequest")]
struct CodeRequest {
    /// The phone number of the account.
    number: RawRecipient,
}

/// `POST /v1/sessions/{id}/pairing-code`: creates a code to be typed on the phone.
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

/// `DELETE /v1/sessions/{id}/pairing-code`: cancels the code and returns to QR codes.
async fn cancel(
    State(linking): State<Arc<dyn Linking>>,
    _: NoParams,
    Session(client): Session,
) -> Result<StatusCode, ApiError> {
    linking.cancel(&client).await?;
    Ok(StatusCode::NO_CONTENT)
}
