//! A passkey that WhatsApp asks for: what others see of the ceremony.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    model::{Report, Timestamp},
    whatsapp::PasskeyPurpose,
};

/// How far a ceremony has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PasskeyStage {
    /// WhatsApp wants a passkey; the challenge is on its way.
    Asked,
    /// The challenge waits for its assertion.
    Signing,
    /// The assertion was sent; the phone has to answer.
    Phone,
    /// A person has to compare a code with the phone's.
    Confirm,
    /// The linking completes.
    Finishing,
    /// It came to nothing; the reason says why.
    Failed,
}

impl PasskeyStage {
    /// The name in API and events.
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

/// A ceremony at one moment.
#[derive(Clone, PartialEq)]
pub struct PasskeyView {
    /// How far it has come.
    pub stage: PasskeyStage,
    /// What it is for.
    pub purpose: PasskeyPurpose,
    /// Names the page's question while it waits.
    pub(super) id: Option<String>,
    /// What has to be signed, in the standard's JSON form; none once it was answered.
    pub public_key: Option<Value>,
    /// What has to be compared with the phone, `ABCD-EFGH`, in the stage `confirm`.
    pub code: Option<String>,
    /// When WhatsApp asked.
    pub asked_at: Timestamp,
    /// An assertion that is sent before needs no code to be compared; none: a code will have to be.
    pub code_without: Option<Timestamp>,
    /// When the present stage ends by itself.
    pub expires_at: Timestamp,
    /// Opens the helper page of this challenge; whoever has it needs no API key.
    pub token: Option<String>,
    /// Why it failed, or why it began anew.
    pub reason: Option<String>,
    /// It failed because nobody answered in time.
    pub expired: bool,
    /// An answer that comes late makes it begin anew.
    pub again: bool,
}

impl PasskeyView {
    /// One that has just begun to wait for something, without an end.
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

    /// Somebody or something is still waited for.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.stage != PasskeyStage::Failed
    }

    /// As events tell it.
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

    /// As the API shows it.
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

/// A step of a ceremony as events tell it: without what lets its reader act, because events go to
/// receivers of every kind and are kept.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "WebhookPasskey")]
pub enum PasskeyStep {
    /// It goes on, or has failed.
    Open(PasskeyTold),
    /// It is over.
    Done(PasskeyDone),
}

/// A ceremony that goes on, or has failed.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "WebhookPasskeyOpen")]
pub struct PasskeyTold {
    /// How far it has come.
    stage: PasskeyStage,
    /// What it is for.
    purpose: PasskeyPurpose,
    /// What has to be signed, as `PublicKeyCredentialRequestOptions` in the standard's JSON form;
    /// null once it was answered.
    #[schemars(with = "Option<serde_json::Map<String, Value>>")]
    public_key: Option<Value>,
    /// When WhatsApp asked, RFC 3339.
    asked_at: String,
    /// An assertion that is sent before, RFC 3339, needs no code to be compared; null: a code will
    /// have to be.
    code_without: Option<String>,
    /// When the present stage ends by itself, RFC 3339.
    expires_at: String,
    /// Why it failed, or why it began anew, for people.
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

/// A ceremony that is over.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WebhookPasskeyDone")]
pub struct PasskeyDone {
    /// Always `done`.
    pub(super) stage: Done,
    /// What it was for.
    pub(super) purpose: PasskeyPurpose,
    /// What became of it: `linked`, `answered`, `given up`, or what the session went through.
    pub(super) reason: String,
}

/// The stage of a ceremony that is over.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub(super) enum Done {
    /// It is over.
    Done,
}

impl Report for PasskeyStep {
    const KIND: &'static str = "session.passkey";
}

/// A token that opens nothing any more, and what became of its challenge.
#[derive(Clone, PartialEq, Eq)]
pub struct PastPasskey {
    /// The token.
    pub token: String,
    /// What became of it, for people.
    pub reason: String,
}

impl fmt::Debug for PastPasskey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PastPasskey")
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}
