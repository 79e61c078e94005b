//! Passkey ceremonies as the API and events show them.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    model::{Report, Timestamp},
    whatsapp::PasskeyPurpose,
};

/// The stage of a passkey ceremony.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PasskeyStage {
    /// WhatsApp asks for a passkey; the challenge has not arrived yet.
    Asked,
    /// The challenge has to be signed: an assertion is awaited.
    Signing,
    /// The assertion was sent; now the phone has to answer.
    Phone,
    /// A person has to compare a code with the one on the phone.
    Confirm,
    /// The linking is being completed.
    Finishing,
    /// The ceremony has failed; the reason says why.
    Failed,
}

impl PasskeyStage {
    /// The name in the API and in events.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Asked => "asked",
            Self::Signing => "signing",
            Self::Phone => "phone",
            Self::Confirm => "confirm",
            Self::Finishing => "finishing",
            Self::Failed => "failed",
        }
    }
}

/// The state of a passkey ceremony at one moment.
#[derive(Clone, PartialEq)]
pub struct PasskeyView {
    /// The stage.
    pub stage: PasskeyStage,
    /// What the passkey is for.
    pub purpose: PasskeyPurpose,
    /// Identifies the page's question while it is unanswered.
    pub(super) id: Option<String>,
    /// What has to be signed, in the JSON form of the WebAuthn standard; `None` once it was
    /// answered.
    pub public_key: Option<Value>,
    /// The code to compare with the one on the phone, `ABCD-EFGH`, in the stage `confirm`.
    pub code: Option<String>,
    /// When WhatsApp asked for the passkey.
    pub asked_at: Timestamp,
    /// Until when an assertion can be sent without a code having to be compared afterwards; `None`:
    /// a code will have to be compared.
    pub code_without: Option<Timestamp>,
    /// When the current stage times out.
    pub expires_at: Timestamp,
    /// The token that opens the helper page of this challenge without an API key.
    pub token: Option<String>,
    /// Why the ceremony failed or was restarted.
    pub reason: Option<String>,
    /// It failed because there was no answer in time.
    pub expired: bool,
    /// A late answer restarts the ceremony with a new challenge.
    pub again: bool,
}

impl PasskeyView {
    /// A ceremony that has just entered `stage`; `expires_at` is set to `asked_at` until the caller
    /// sets it.
    pub(crate) fn new(stage: PasskeyStage, purpose: PasskeyPurpose, asked_at: Timestamp) -> Self {
        Self {
            stage,
            purpose,
            id: None,
            public_key: None,
            code: None,
            asked_at,
            code_without: None,
            expires_at: asked_at,
            token: None,
            reason: None,
            expired: false,
            again: false,
        }
    }

    /// Whether the ceremony still waits for something.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.stage != PasskeyStage::Failed
    }

    /// The form in which events report it.
    #[must_use]
    pub(super) fn told(&self) -> PasskeyStep {
        PasskeyStep::Open(PasskeyTold {
            stage: self.stage,
            purpose: self.purpose,
            public_key: self.public_key.clone(),
            asked_at: self.asked_at.rfc3339(),
            code_without: self.code_without.map(Timestamp::rfc3339),
            expires_at: self.expires_at.rfc3339(),
            reason: self.reason.clone(),
        })
    }

    /// The form in which the API shows it.
    #[must_use]
    pub fn shape(&self) -> Value {
        json!({
            "stage": self.stage, "purpose": self.purpose, "publicKey": self.public_key, "code": self.code, "askedAt": self.asked_at.rfc3339(),
            "codeWithout": self.code_without.map(Timestamp::rfc3339), "expiresAt": self.expires_at.rfc3339(),
            "helper": self.token.as_ref().map(|token| format!("/passkey/{token}")), "reason": self.reason,
        })
    }
}

impl fmt::Debug for PasskeyView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasskeyView")
            .field("stage", &self.stage)
            .field("purpose", &self.purpose)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

/// A step of a passkey ceremony in an event. It omits what would let its reader act, because events
/// are stored and go to receivers of all kinds.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "WebhookPasskey")]
pub enum PasskeyStep {
    /// The ceremony continues, or has failed.
    Open(PasskeyTold),
    /// The ceremony has ended.
    Done(PasskeyDone),
}

/// A passkey ceremony that continues or has failed.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "WebhookPasskeyOpen")]
pub struct PasskeyTold {
    /// The stage.
    stage: PasskeyStage,
    /// What the passkey is for.
    purpose: PasskeyPurpose,
    /// What has to be signed: `PublicKeyCredentialRequestOptions` in the JSON form of the WebAuthn
    /// standard; null once it was answered.
    #[schemars(with = "Option<serde_json::Map<String, Value>>")]
    public_key: Option<Value>,
    /// When WhatsApp asked for the passkey, RFC 3339.
    asked_at: String,
    /// Until when an assertion can be sent without a code having to be compared afterwards, RFC
    /// 3339; null: a code will have to be compared.
    code_without: Option<String>,
    /// When the current stage times out, RFC 3339.
    expires_at: String,
    /// Why the ceremony failed or was restarted, as text for people.
    reason: Option<String>,
}

impl fmt::Debug for PasskeyTold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasskeyTold")
            .field("stage", &self.stage)
            .field("purpose", &self.purpose)
            .finish_non_exhaustive()
    }
}

/// A passkey ceremony that has ended.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WebhookPasskeyDone")]
pub struct PasskeyDone {
    /// Always `done`.
    pub(super) stage: Done,
    /// What the passkey was for.
    pub(super) purpose: PasskeyPurpose,
    /// The outcome: `linked`, `answered`, `given up`, or the state change of the session that ended
    /// it.
    pub(super) reason: String,
}

/// The stage of a passkey ceremony that has ended.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(super) enum Done {
    /// The ceremony has ended.
    Done,
}

impl Report for PasskeyStep {
    const KIND: &'static str = "session.passkey";
}

/// A helper-page token that is no longer valid, with the outcome of its challenge.
#[derive(Clone, PartialEq, Eq)]
pub struct PastPasskey {
    /// The token.
    pub token: String,
    /// The outcome, as text for people.
    pub reason: String,
}

impl fmt::Debug for PastPasskey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PastPasskey")
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}
