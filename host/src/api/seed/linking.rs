//! Linking by phone number, in the original service's envelope.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;

use super::client::{self, Whose};
use crate::{
    api::{
        App,
        extract::{Body, Params},
        linking::{NO_STORE, shape},
        object,
        recipient::{self, Written},
        reply::{Failure, bad, success},
    },
    model::InvalidClientId,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wanted {
    number: Written,
    client_id: Option<String>,
}

pub(in crate::api) async fn code(State(app): State<App>, Params(whose): Params<Whose>, Body(body): Body) -> Result<Response, Failure> {
    let wanted: Wanted = object::from_slice(&body).map_err(|fault| fault.of_body("missing_fields", "Missing required fields"))?;
    let number = recipient::number(&app, wanted.number.text())?;
    let client = match wanted.client_id {
        Some(id) => id.parse().map_err(|error: InvalidClientId| bad("invalid_client_id", "Invalid client id", error.to_string()))?,
        None => client::client(&app, &whose)?,
    };
    let code = app.core.pairing_code(&client, &number).await?;
    Ok((NO_STORE, success(&shape(&code), "Type the code in WhatsApp: Linked devices, Link with phone number")).into_response())
}

pub(in crate::api) async fn cancel(State(app): State<App>, Params(whose): Params<Whose>) -> Result<Response, Failure> {
    app.core.cancel_pairing(&client::client(&app, &whose)?).await?;
    Ok(success(&json!({}), "QR codes are shown again"))
}
