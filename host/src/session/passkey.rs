//! A passkey that WhatsApp asks for: what others see of the ceremony, and what they may do in it.

use std::{fmt, time::Duration};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::handle::{Command, SessionHandle};
use crate::{
    model::{Timestamp, told::Told},
    whatsapp::{AssertionFault, PageError, PasskeyOrder, PasskeyPurpose, check_assertion},
};

/// The page sends an assertion within a second or two; whoever brought it is told what came of that.
const SENT: Duration = Duration::from_secs(10);

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

/// A step of a ceremony as events tell it: without what lets its reader act, because events go to receivers of every kind and
/// are kept.
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
    /// What has to be signed, as `PublicKeyCredentialRequestOptions` in the standard's JSON form; null once it was answered.
    #[schemars(with = "Option<serde_json::Map<String, Value>>")]
    public_key: Option<Value>,
    /// When WhatsApp asked, RFC 3339.
    asked_at: String,
    /// An assertion that is sent before, RFC 3339, needs no code to be compared; null: a code will have to be.
    code_without: Option<String>,
    /// When the present stage ends by itself, RFC 3339.
    expires_at: String,
    /// Why it failed, or why it began anew, for people.
    reason: Option<String>,
}

impl fmt::Debug for PasskeyTold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasskeyTold").field("stage", &self.stage).field("purpose", &self.purpose).finish_non_exhaustive()
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

impl Told for PasskeyStep {
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
        f.debug_struct("PastPasskey").field("reason", &self.reason).finish_non_exhaustive()
    }
}

/// Why nothing was done about a passkey.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasskeyError {
    /// WhatsApp does not ask for one.
    #[error("WhatsApp asks for no passkey now")]
    NotAsked,
    /// Not the time for an assertion.
    #[error("no assertion is waited for now: the ceremony is in the stage {}", .0.as_str())]
    NotWaiting(PasskeyStage),
    /// The assertion.
    #[error("the assertion cannot be used: {0}")]
    Invalid(#[from] AssertionFault),
    /// The challenge is over.
    #[error("the challenge has expired, and the assertion with it: {}", if *again { "a fresh one has been asked for; get it and sign again" } else { "scan a new QR, then sign again" })]
    Expired {
        /// A fresh one has been asked for.
        again: bool,
    },
    /// WhatsApp, or the page, has not taken it.
    #[error("the assertion was refused: {0}")]
    Refused(String),
    /// Not the time for a code.
    #[error("no code is to be confirmed now: the ceremony is in the stage {}", .0.as_str())]
    NotConfirming(PasskeyStage),
    /// Another code.
    #[error("this is not the code that the page shows; confirm only what the phone shows as well")]
    WrongCode,
    /// The page did not take it.
    #[error(transparent)]
    Page(#[from] PageError),
}

impl SessionHandle {
    fn passkey(&self) -> Result<PasskeyView, PasskeyError> {
        self.snapshot.borrow().passkey.clone().ok_or(PasskeyError::NotAsked)
    }

    /// Whether a code or a QR now would end a ceremony.
    pub(super) fn awaits_passkey(&self) -> bool {
        let now = self.snapshot.borrow();
        now.passkey.as_ref().is_some_and(|view| view.purpose == PasskeyPurpose::Link && (view.is_pending() || view.again))
    }

    async fn order_passkey(&self, order: PasskeyOrder) -> Result<(), PasskeyError> {
        let page = self.any_page.borrow().clone().ok_or(PasskeyError::NotAsked)?;
        Ok(page.passkey(&order).await?)
    }

    /// Gives an assertion (JSON, as a browser makes it) to the page, after a look at it. Returns when the page has sent it on
    /// or has failed with it, or after 10 s.
    ///
    /// # Errors
    /// See [`PasskeyError`]. One that comes after the challenge's end makes WhatsApp be asked for a fresh challenge, once.
    pub async fn answer_passkey(&self, assertion: &[u8]) -> Result<PasskeyView, PasskeyError> {
        let view = self.passkey()?;
        let options = match (view.stage, &view.public_key) {
            (PasskeyStage::Signing | PasskeyStage::Failed, Some(options)) => options,
            (PasskeyStage::Failed, None) if view.expired => return Err(PasskeyError::Expired { again: false }),
            (stage, _) => return Err(PasskeyError::NotWaiting(stage)),
        };
        let assertion = check_assertion(assertion, options)?;
        if view.stage == PasskeyStage::Failed {
            if view.again {
                self.tell(Command::PasskeyAgain).await;
            }
            return Err(PasskeyError::Expired { again: view.again });
        }
        let id = view.id.clone().ok_or(PasskeyError::NotWaiting(view.stage))?;
        match self.order_passkey(PasskeyOrder::Answer { id, assertion: Box::new(assertion) }).await {
            // It was answered a moment ago, or given up.
            Err(PasskeyError::Page(PageError::Refused { .. })) => return Err(PasskeyError::NotWaiting(self.passkey()?.stage)),
            answered => answered?,
        }
        let is_old = |now: &Option<PasskeyView>| now.as_ref().is_some_and(|now| now.stage == PasskeyStage::Signing && now.id == view.id);
        let mut snapshot = self.snapshot.clone();
        let _ = timeout(SENT, snapshot.wait_for(|now| !is_old(&now.passkey))).await;
        let now = self.snapshot.borrow().passkey.clone();
        if let Some(now) = now.filter(|now| now.stage != PasskeyStage::Signing || now.id != view.id)
            && matches!(now.stage, PasskeyStage::Asked | PasskeyStage::Signing | PasskeyStage::Failed)
        {
            return Err(PasskeyError::Refused(now.reason.unwrap_or_else(|| "WhatsApp asks anew".into())));
        }
        // A checkpoint is over with its answer.
        Ok(self.passkey().unwrap_or(PasskeyView { stage: PasskeyStage::Finishing, public_key: None, token: None, ..view }))
    }

    /// A person says that the phone shows this code.
    ///
    /// # Errors
    /// See [`PasskeyError`].
    pub async fn confirm_passkey(&self, code: &str) -> Result<PasskeyView, PasskeyError> {
        let view = self.passkey()?;
        let Some(shown) = view.code.as_deref().filter(|_| view.stage == PasskeyStage::Confirm) else {
            return Err(PasskeyError::NotConfirming(view.stage));
        };
        let plain = |code: &str| code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect::<String>();
        if plain(code) != plain(shown) {
            return Err(PasskeyError::WrongCode);
        }
        match self.order_passkey(PasskeyOrder::Confirm).await {
            Err(PasskeyError::Page(PageError::Refused { .. })) => return Err(PasskeyError::NotConfirming(self.passkey()?.stage)),
            confirmed => confirmed?,
        }
        let mut snapshot = self.snapshot.clone();
        let _ = timeout(SENT, snapshot.wait_for(|now| now.passkey.as_ref().is_none_or(|now| now.stage != PasskeyStage::Confirm))).await;
        Ok(self.passkey().unwrap_or(PasskeyView { stage: PasskeyStage::Finishing, code: None, token: None, ..view }))
    }

    /// Gives the ceremony up; a page that waits for a link goes back to QR codes.
    ///
    /// # Errors
    /// [`PasskeyError::NotAsked`] when there is none.
    pub async fn cancel_passkey(&self) -> Result<(), PasskeyError> {
        self.passkey()?;
        self.tell(Command::PasskeyCancel).await;
        Ok(())
    }
}
