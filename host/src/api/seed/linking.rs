//! Linking by phone number, in the original service's envelope.

use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};

use super::envelope::Success;
use crate::{
    api::{
        app::Defaults,
        error::{ApiError, Code},
        extract::{Body, Client, ClientQuery, Params},
        object,
        pairing::{NO_STORE, NoStore, PairingCode},
        recipient::{self, Written},
        route::{Need::Of, Routes},
    },
    config::Scope::Control,
    services::Linking,
};

pub(super) fn routes() -> Routes {
    Routes::new().post("/api/whatsapp/pairing-code", Of(Control), code).delete("/api/whatsapp/pairing-code", Of(Control), cancel)
}

/// Which session is to be linked to which number.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CodeRequest {
    /// The phone number of the account.
    number: Written,
    /// The session; without it that of the query, or the default one.
    client_id: Option<String>,
}

/// `POST /api/whatsapp/pairing-code`: a code to be typed on the phone.
async fn code(
    State(linking): State<Arc<dyn Linking>>,
    State(defaults): State<Arc<Defaults>>,
    Params(query): Params<ClientQuery>,
    Body(body): Body,
) -> Result<NoStore<Success<PairingCode>>, ApiError> {
    let wanted: CodeRequest = object::from_slice(&body).map_err(|fault| fault.of_body(Code::MissingFields))?;
    let number = recipient::number(defaults.region, wanted.number.text())?;
    let client = match wanted.client_id {
        Some(id) => id.parse()?,
        None => query.client(&defaults)?,
    };
    let code = linking.code(&client, &number).await?;
    Ok((NO_STORE, Success::new(code.into(), "Type the code in WhatsApp: Linked devices, Link with phone number")))
}

/// Nothing.
#[derive(Debug, Serialize)]
struct Empty {}

/// `DELETE /api/whatsapp/pairing-code`: gives the code up and shows QR codes again.
async fn cancel(State(linking): State<Arc<dyn Linking>>, Client(client): Client) -> Result<Success<Empty>, ApiError> {
    linking.cancel(&client).await?;
    Ok(Success::new(Empty {}, "QR codes are shown again"))
}
