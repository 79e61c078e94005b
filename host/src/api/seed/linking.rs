//! Linking by phone number, in the original service's format.

use std::sync::Arc;

use axum::extract::State;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::envelope::Success;
use crate::{
    api::{
        app::Defaults,
        error::{ApiError, Code},
        extract::{Body, Client, ClientQuery, Params},
        object,
        openapi::Operation,
        pairing::{NO_STORE, NoStore, PairingCode},
        recipient::{self, RawRecipient},
        route::{Need::Of, Routes},
    },
    config::Scope::Control,
    services::Linking,
};

pub(super) fn routes() -> Routes {
    let pairing = [
        Code::UnknownClient,
        Code::NotWaitingForLink,
        Code::PairingRateLimited,
        Code::PairingNotAvailable,
        Code::PageError,
    ];
    let code_operation = Operation::new(
        "seedCreatePairingCode",
        "Creates a code to be typed on the phone",
    )
    .body::<CodeRequest>()
    .refuses(&pairing)
    .refuses(&[
        Code::MissingFields,
        Code::DuplicateField,
        Code::InvalidNumber,
        Code::RecipientNotSupported,
        Code::InvalidClientId,
    ]);
    let cancel_operation = Operation::new(
        "seedCancelPairingCode",
        "Cancels the pairing code and returns to QR codes",
    )
    .refuses(&pairing);
    Routes::new()
        .post(
            "/api/whatsapp/pairing-code",
            Of(Control),
            code,
            code_operation,
        )
        .delete(
            "/api/whatsapp/pairing-code",
            Of(Control),
            cancel,
            cancel_operation,
        )
}

/// The session and the phone number to link.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "SeedPairingCodeRequest")]
struct CodeRequest {
    /// The phone number of the account.
    number: RawRecipient,
    /// The session; default: that of the query, or the default session.
    #[schemars(regex(pattern = "^[A-Za-z0-9_-]{1,64}$"))]
    client_id: Option<String>,
}

/// `POST /api/whatsapp/pairing-code`: creates a code to be typed on the phone.
async fn code(
    State(linking): State<Arc<dyn Linking>>,
    State(defaults): State<Arc<Defaults>>,
    Params(query): Params<ClientQuery>,
    Body(body): Body,
) -> Result<NoStore<Success<PairingCode>>, ApiError> {
    let wanted: CodeRequest =
        object::from_slice(&body).map_err(|fault| fault.of_body(Code::MissingFields))?;
    let number = recipient::number(defaults.region, wanted.number.text())?;
    let client = match wanted.client_id {
        Some(id) => id.parse()?,
        None => query.client(&defaults)?,
    };
    let code = linking.code(&client, &number).await?;
    Ok((
        NO_STORE,
        Success::new(
            code.into(),
            "Type the code in WhatsApp: Linked devices, Link with phone number",
        ),
    ))
}

/// An empty object.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Empty")]
struct Empty {}

/// `DELETE /api/whatsapp/pairing-code`: cancels the code and returns to QR codes.
async fn cancel(
    State(linking): State<Arc<dyn Linking>>,
    Client(client): Client,
) -> Result<Success<Empty>, ApiError> {
    linking.cancel(&client).await?;
    Ok(Success::new(Empty {}, "QR codes are shown again"))
}
