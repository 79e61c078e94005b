//! `/v1/sessions/{id}/passkey`: passkey ceremonies that WhatsApp requires.

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
    let answer_operation = Operation::new("answerPasskey", "Passes an assertion to WhatsApp's page: the output of `JSON.stringify(credential)`")
        .more("The response is sent once the page has passed the assertion on. The assertion is checked before that, because WhatsApp allows only one attempt without consequences.")
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
    let confirm_operation =
        Operation::new("confirmPasskey", "Confirms that the phone shows this code").refuses(&[
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
                "The passkey ceremony in progress, or why the last one failed",
            )
            .refuses(&unknown),
        )
        .post(PATH, Of(Control), answer, answer_operation)
        .delete(
            PATH,
            Of(Control),
            cancel,
            Operation::new(
                "cancelPasskey",
                "Cancels the ceremony and returns to QR codes",
            )
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

/// A passkey ceremony that WhatsApp requires.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct Passkey {
    /// Its stage.
    stage: PasskeyStage,
    /// Its purpose.
    purpose: PasskeyPurpose,
    /// The request to sign, in the standard's JSON form (`PublicKeyCredentialRequestOptionsJSON`);
    /// null once it was answered.
    public_key: Option<Value>,
    /// The code to compare with the one on the phone, `ABCD-EFGH`; only in the stage `confirm`.
    code: Option<String>,
    /// When WhatsApp asked.
    asked_at: Time,
    /// Until when an assertion can be sent without a code having to be compared afterwards; null: a
    /// code will have to be compared.
    code_without: Option<Time>,
    /// When the current stage times out.
    expires_at: Time,
    /// The path of this challenge's helper page, which needs no API key.
    helper: Option<String>,
    /// Why the ceremony failed or was restarted.
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

/// A passkey ceremony with the link to its helper page.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct LinkedPasskey {
    #[serde(flatten)]
    passkey: Passkey,
    /// The address of its helper page, while there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    helper_url: Option<String>,
    /// A restriction of that address, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    helper_note: Option<&'static str>,
}

impl LinkedPasskey {
    fn new(address: &HelperAddress, view: &PasskeyView) -> Self {
        let helper_url = view.token.as_ref().map(|token| address.link(token));
        let note = "this link works only in a browser on the gateway's own machine; set [server] public_url for another address";
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

/// The response 202: the ceremony goes on.
struct CeremonyAccepted(LinkedPasskey);

impl IntoResponse for CeremonyAccepted {
    fn into_response(self) -> Response {
        (StatusCode::ACCEPTED, NO_STORE, Json(self.0)).into_response()
    }
}

impl Output for CeremonyAccepted {
    fn describe(operation: Operation) -> Operation {
        operation.answers::<LinkedPasskey>(StatusCode::ACCEPTED)
    }
}

/// The assertion of a passkey as a browser creates it: a `PublicKeyCredential` in the standard's
/// JSON form, at most 16 KiB. Other fields are ignored. Binary values are base64url.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(
    dead_code,
    reason = "it is only described: the assertion is read where it is checked"
)]
pub(in crate::api) struct Credential {
    /// The id of the passkey.
    id: String,
    /// The same as `id`; either is accepted.
    raw_id: Option<String>,
    /// Always `public-key`.
    r#type: String,
    /// The signed response.
    response: CredentialResponse,
    /// The results of extensions; `prf` is used only at a checkpoint.
    client_extension_results: Option<Map<String, Value>>,
}

/// The response of an authenticator.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(
    dead_code,
    reason = "it is only described: the assertion is read where it is checked"
)]
pub(in crate::api) struct CredentialResponse {
    /// The challenge and the origin as the browser saw them.
    #[serde(rename = "clientDataJSON")]
    client_data_json: String,
    /// The authenticator's data.
    authenticator_data: String,
    /// The signature.
    signature: String,
    /// The user handle of the passkey.
    user_handle: Option<String>,
}

/// `GET /v1/sessions/{id}/passkey`: the ceremony in progress, or why the last one failed.
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

/// `POST /v1/sessions/{id}/passkey`: passes an assertion to WhatsApp's page. The body is JSON as a
/// browser creates it.
async fn answer(
    State(passkeys): State<Arc<dyn Passkeys>>,
    State(address): State<Arc<HelperAddress>>,
    _: NoParams,
    Session(client): Session,
    Body(body): Body,
) -> Result<CeremonyAccepted, ApiError> {
    let view = passkeys.answer(&client, &body).await?;
    Ok(CeremonyAccepted(LinkedPasskey::new(&address, &view)))
}

/// The confirmation of a code.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Confirmation {
    /// The code that the phone shows, `ABCD-EFGH`.
    code: String,
}

/// `POST /v1/sessions/{id}/passkey/confirm`: a person confirms that the phone shows this code.
async fn confirm(
    State(passkeys): State<Arc<dyn Passkeys>>,
    State(address): State<Arc<HelperAddress>>,
    _: NoParams,
    Session(client): Session,
    Object(wanted): Object<Confirmation>,
) -> Result<CeremonyAccepted, ApiError> {
    let view = passkeys.confirm(&client, &wanted.code).await?;
    Ok(CeremonyAccepted(LinkedPasskey::new(&address, &view)))
}

/// `DELETE /v1/sessions/{id}/passkey`: cancels the ceremony.
async fn cancel(
    State(passkeys): State<Arc<dyn Passkeys>>,
    _: NoParams,
    Session(client): Session,
) -> Result<StatusCode, ApiError> {
    passkeys.cancel(&client).await?;
    Ok(StatusCode::NO_CONTENT)
}
