//! The texts about a ceremony: notices for operators, and reasons of failure.

use std::time::Duration;

use crate::{
    session::passkey::{PasskeyStage, PasskeyView},
    whatsapp::PasskeyPurpose,
};

/// The notice for operators, if the stage needs one.
pub(super) fn notice(view: &PasskeyView, client: &str) -> Option<String> {
    let place = format!("GET /v1/sessions/{client}/passkey");
    match (view.stage, view.purpose) {
        (PasskeyStage::Asked | PasskeyStage::Signing, PasskeyPurpose::Link) => {
            Some(format!("passkey_needed: WhatsApp asks for the account's passkey before it links; open the helper page that {place} names"))
        }
        (PasskeyStage::Asked | PasskeyStage::Signing, PasskeyPurpose::Checkpoint) => {
            Some(format!("passkey_needed: WhatsApp asks this account for its passkey and blocks the page; open the helper page that {place} names"))
        }
        (PasskeyStage::Confirm, _) => Some(format!("passkey_confirm: the phone shows a code that a person has to compare; {place} has the page's")),
        (PasskeyStage::Failed, PasskeyPurpose::Checkpoint) => {
            Some("passkey_needed: WhatsApp asked this account for its passkey and was not answered; restart the session to be asked again".into())
        }
        _ => None,
    }
}

/// The reason of a failure, as text for people.
pub(super) fn words(stage: PasskeyStage, reason: &str, step: Duration) -> String {
    let within = format!("within {} s", step.as_secs().min(120));
    match (stage, reason) {
        (PasskeyStage::Phone, "timeout") => {
            format!(
                "the phone did not answer {within}: keep WhatsApp open on it and scan again (some Business accounts are known for this)"
            )
        }
        (PasskeyStage::Confirm, "timeout") => {
            format!("nobody confirmed the code {within}; scan again")
        }
        (PasskeyStage::Finishing, "timeout") => {
            format!("the linking did not complete {within}; scan again")
        }
        (PasskeyStage::Asked, "server_error") => {
            "WhatsApp gave no challenge to sign; scan again".into()
        }
        (PasskeyStage::Signing, "server_error") => {
            "WhatsApp refused the assertion: was it the passkey of this account? Scan again".into()
        }
        (_, "server_error") => "WhatsApp ended the linking with an error; scan again".into(),
        (PasskeyStage::Asked, other) => {
            format!("the page could not be asked for the challenge: {other}")
        }
        (_, other) => format!("the page gave up: {other}; scan again"),
    }
}
