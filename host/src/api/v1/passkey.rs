//! `/v1/sessions/{id}/passkey`: passkeys that WhatsApp asks for.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    api::{
        error::{ApiError, Code},
        extract::{Body, NoParams, Object, Session},
        openapi::{Operation, Output},
        pairing::{NO_STORE, NoStore},
        route::{Need::Of, Routes},
        time::Time,
    },
    config::Scope::Control,
    services::{HelperAddress, PasskeyFailure, Passkeys, Sessions},
    session::{PasskeyError, PasskeyStage, PasskeyView},
    whatsapp::PasskeyPurpose,
};

const PATH: &str = "/v1/sessions/{id}/passkey";

pub(super) fn routes() -> Routes {
    let answer_operation = Operation::new("answerPasskey", "Gives the page an assertion, as `JSON.stringify(credential)` gives it")
        .more("Answered once the page has sent it on. It is looked at before the page gets it, because WhatsApp gives one cheap attempt.")
        .body::<Credential>()
        .refuses(&[
            Code::UnknownClient,
            Code::NoPasskeyAsked,
            Code::NotWaitingForPasskey,
            Code::WrongChallenge,
            Code::InvalidAssertion,
            Code::ChallengeExpired,
            Code::RefusedByWhatsapp,
            Code::PageError,
        ]);
    let confirm_operation = Operation::new(
        "confirmPasskey",
        "A person says that the phone shows this code",
    )
    .refuses(&[
        Code::UnknownClient,
        Code::NoPasskeyAsked,
        Code::NotWaitingForCode,
        Code::WrongCode,
        Code::PageError,
    ]);
    let unknown = [Code::UnknownClient, Code::NoPasskeyAsked];
    Routes::new()
        .get(
            PATH,
            Of(Control),
            get,
            Operation::new(
                "getPasskey",
                "The passkey ceremony that is under way, or why the last one failed",
            )
            .refuses(&unknown),
        )
        .post(PATH, Of(Control), answer, answer_operation)
        .delete(
            PATH,
            Of(Control),
            cancel,
            Operation::new("cancelPasskey", "Gives the ceremony up; back to QR codes")
                .status(StatusCode::NO_CONTENT)
                .refuses(&unknown),
        )
        .post(
            "/v1/sessions/{id}/passkey/confirm",
            Of(Control),
            confirm,
            confirm_operation,
        )
}

/// A passkey ceremony: what WhatsApp asks for, and how far it has come.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Passkey {
    /// How far it has come.
    stage: PasskeyStage,
    /// What it is for.
    purpose: PasskeyPurpose,
    /// What has to be signed, in the standard's JSON form
    /// (`PublicKeyCredentialRequestOptionsJSON`); null once it was answered.
    public_key: Option<Value>,
    /// What has to be compared with the phone, `ABCD-EFGH`, in the stage `confirm`.
    code: Option<String>,
    /// When WhatsApp asked.
    asked_at: Time,
    /// An assertion that is sent before this time needs no code to be compared; null: a code will
    /// have to be.
    code_without: Option<Time>,
    /// When the present stage ends by itself.
    expires_at: Time,
    /// The path of the helper page of this challenge; whoever has it needs no API key.
    helper: Option<String>,
    /// Why it failed, or why it began anew.
    reason: Option<String>,
}

impl From<&PasskeyView> for Passkey {
    fn from(view: &PasskeyView) -> Self {
        Self {
            stage: view.stage,
            purpose: view.purpose,
            public_key: view.public_key.clone(),
            code: view.code.clone(),
            asked_at: view.asked_at.into(),
            code_without: view.code_without.map(Time),
            expires_at: view.expires_at.into(),
            helper: view.token.as_ref().map(|token| format!("/passkey/{token}")),
            reason: view.reason.clone(),
        }
    }
}

/// A ceremony with the link to its helper page.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct LinkedPasskey {
    #[serde(flatten)]
    passkey: Passkey,
    /// The address of its helper page, while there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    helper_url: Option<String>,
    /// What is to be known of that address.
    #[serde(skip_serializing_if = "Option::is_none")]
    helper_note: Option<&'static str>,
}

impl LinkedPasskey {
    fn new(address: &HelperAddress, view: &PasskeyView) -> Self {
        let helper_url = view.token.as_ref().map(|token| address.link(token));
        let note = "this link works in a browser on the gateway's own machine; [server] public_url names another";
        let helper_note = helper_url
            .as_ref()
            .filter(|_| address.local_only)
            .map(|_| note);
        Self {
            passkey: view.into(),
            helper_url,
            helper_note,
        }
    }
}

/// The ceremony goes on: 202.
struct GoesOn(LinkedPasskey);

impl IntoResponse for GoesOn {
    fn into_response(self) -> Response {
        (StatusCode::ACCEPTED, NO_STORE, Json(self.0)).into_response()
    }
}

impl Output for GoesOn {
    fn describe(operation: Operation) -> Operation {
        operation.answers::<LinkedPasskey>(StatusCode::ACCEPTED)
    }
}

/// An assertion of a passkey, as a browser makes it: `PublicKeyCredential` in the standard's JSON
/// form. Other fields are dropped; together at most 16 KiB. Binary values are base64url.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(
    dead_code,
    reason = "it is only described: the assertion is read where it is checked"
)]
pub(in crate::api) struct Credential {
    /// The id of the passkey.
    id: String,
    /// The same; the one of both that is there is taken.
    raw_id: Option<String>,
    /// Always `public-key`.
    r#type: String,
    /// What was signed.
    response: CredentialResponse,
    /// What extensions say; `prf` matters at a checkpoint alone.
    client_extension_results: Option<Map<String, Value>>,
}

/// What an authenticator has signed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(
    dead_code,
    reason = "it is only described: the assertion is read where it is checked"
)]
pub(in crate::api) struct CredentialResponse {
    /// The challenge and the origin, as the browser has seen them.
    #[serde(rename = "clientDataJSON")]
    client_data_json: String,
    /// What the authenticator says of itself.
    authenticator_data: String,
    /// The signature.
    signature: String,
    /// Whose passkey it is.
    user_handle: Option<String>,
}

/// `GET /v1/sessions/{id}/passkey`: the ceremony that is under way, or why the last one failed.
async fn get(
    State(sessions): State<Arc<dyn Sessions>>,
    State(address): State<Arc<HelperAddress>>,
    _: NoParams,
    Session(client): Session,
) -> Result<NoStore<Json<LinkedPasskey>>, ApiError> {
    let now = sessions
        .get(&client)
        .ok_or(PasskeyFailure::Unknown(client))?;
    let view = now
        .passkey
        .ok_or(PasskeyFailure::Passkey(PasskeyError::NotAsked))?;
    Ok((NO_STORE, Json(LinkedPasskey::new(&address, &view))))
}

/// `POST /v1/sessions/{id}/passkey`: gives the page an assertion, JSON as a browser makes it.
async fn answer(
    State(passkeys): State<Arc<dyn Passkeys>>,
    State(address): State<Arc<HelperAddress>>,
    _: NoParams,
    Session(client): Session,
    Body(body): Body,
) -> Result<GoesOn, ApiError> {
    let view = passkeys.answer(&client, &body).await?;
    Ok(GoesOn(LinkedPasskey::new(&address, &view)))
}

/// What the phone shows.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Confirmation {
    /// The code, `ABCD-EFGH`.
    code: String,
}

/// `POST /v1/sessions/{id}/passkey/confirm`: a person says that the phone shows this code.
async fn confirm(
    State(passkeys): State<Arc<dyn Passkeys>>,
    State(address): State<Arc<HelperAddress>>,
    _: NoParams,
    Session(client): Session,
    Object(wanted): Object<Confirmation>,
) -> Result<GoesOn, ApiError> {
    let view = passkeys.confirm(&client, &wanted.code).await?;
    Ok(GoesOn(LinkedPasskey::new(&address, &view)))
}

/// `DELETE /v1/sessions/{id}/passkey`: gives the ceremony up.
async fn cancel(
    State(passkeys): State<Arc<dyn Passkeys>>,
    _: NoParams,
    Session(client): Session,
) -> Result<StatusCode, ApiError> {
    passkeys.cancel(&client).await?;
    Ok(StatusCode::NO_CONTENT)
}
