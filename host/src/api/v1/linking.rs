//! `/v1/sessions/{id}/pairing-code`: linking by phone number.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use crate::{
    api::{
        App,
        extract::{Body, NoParams},
        linking::{NO_STORE, shape},
        object,
        problem::Problem,
        recipient::{self, Written},
    },
    model::{ClientId, InvalidClientId},
};

/// The session is in the path.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    number: Written,
}

fn client(id: &str) -> Result<ClientId, Problem> {
    id.parse().map_err(|error: InvalidClientId| Problem::bad("invalid_client_id", error.to_string()))
}

pub(in crate::api) async fn code(State(app): State<App>, Path(id): Path<String>, _: NoParams, Body(body): Body) -> Result<Response, Problem> {
    let wanted: Own = object::from_slice(&body)?;
    let number = recipient::number(&app, wanted.number.text())?;
    let code = app.core.pairing_code(&client(&id)?, &number).await?;
    Ok((NO_STORE, Json(shape(&code))).into_response())
}

pub(in crate::api) async fn cancel(State(app): State<App>, Path(id): Path<String>, _: NoParams) -> Result<Response, Problem> {
    app.core.cancel_pairing(&client(&id)?).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
