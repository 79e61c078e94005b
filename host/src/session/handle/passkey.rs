//! What others may do about a passkey that WhatsApp asks for.

use std::time::Duration;

use tokio::time::timeout;

use super::{Command, SessionHandle};
use crate::{
    session::passkey::{PasskeyStage, PasskeyView},
    whatsapp::{AssertionFault, PageError, PasskeyOrder, PasskeyPurpose, check_assertion},
};

/// The page sends an assertion within a second or two; whoever brought it is told what came of
/// that.
const SENT: Duration = Duration::from_secs(10);

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
        self.snapshot
            .borrow()
            .passkey
            .clone()
            .ok_or(PasskeyError::NotAsked)
    }

    /// Whether a code or a QR now would end a ceremony.
    pub(super) fn awaits_passkey(&self) -> bool {
        let now = self.snapshot.borrow();
        now.passkey.as_ref().is_some_and(|view| {
            view.purpose == PasskeyPurpose::Link && (view.is_pending() || view.again)
        })
    }

    async fn order_passkey(&self, order: PasskeyOrder) -> Result<(), PasskeyError> {
        let page = self
            .any_page
            .borrow()
            .clone()
            .ok_or(PasskeyError::NotAsked)?;
        Ok(page.passkey(&order).await?)
    }

    /// Gives an assertion (JSON, as a browser makes it) to the page, after a look at it. Returns
    /// when the page has sent it on or has failed with it, or after 10 s.
    ///
    /// # Errors
    /// See [`PasskeyError`]. One that comes after the challenge's end makes WhatsApp be asked for a
    /// fresh challenge, once.
    pub async fn answer_passkey(&self, assertion: &[u8]) -> Result<PasskeyView, PasskeyError> {
        let view = self.passkey()?;
        let options = match (view.stage, &view.public_key) {
            (PasskeyStage::Signing | PasskeyStage::Failed, Some(options)) => options,
            (PasskeyStage::Failed, None) if view.expired => {
                return Err(PasskeyError::Expired { again: false });
            }
            (stage, _) => return Err(PasskeyError::NotWaiting(stage)),
        };
        let assertion = check_assertion(assertion, options)?;
        if view.stage == PasskeyStage::Failed {
            if view.again {
                self.tell(Command::PasskeyAgain).await;
            }
            return Err(PasskeyError::Expired { again: view.again });
        }
        let id = view
            .id
            .clone()
            .ok_or(PasskeyError::NotWaiting(view.stage))?;
        match self
            .order_passkey(PasskeyOrder::Answer {
                id,
                assertion: Box::new(assertion),
            })
            .await
        {
            // It was answered a moment ago, or given up.
            Err(PasskeyError::Page(PageError::Refused { .. })) => {
                return Err(PasskeyError::NotWaiting(self.passkey()?.stage));
            }
            answered => answered?,
        }
        let is_old = |now: &Option<PasskeyView>| {
            now.as_ref()
                .is_some_and(|now| now.stage == PasskeyStage::Signing && now.id == view.id)
        };
        let mut snapshot = self.snapshot.clone();
        let _ = timeout(SENT, snapshot.wait_for(|now| !is_old(&now.passkey))).await;
        let now = self.snapshot.borrow().passkey.clone();
        if let Some(now) = now.filter(|now| now.stage != PasskeyStage::Signing || now.id != view.id)
            && matches!(
                now.stage,
                PasskeyStage::Asked | PasskeyStage::Signing | PasskeyStage::Failed
            )
        {
            return Err(PasskeyError::Refused(
                now.reason.unwrap_or_else(|| "WhatsApp asks anew".into()),
            ));
        }
        // A checkpoint is over with its answer.
        Ok(self.passkey().unwrap_or(PasskeyView {
            stage: PasskeyStage::Finishing,
            public_key: None,
            token: None,
            ..view
        }))
    }

    /// A person says that the phone shows this code.
    ///
    /// # Errors
    /// See [`PasskeyError`].
    pub async fn confirm_passkey(&self, code: &str) -> Result<PasskeyView, PasskeyError> {
        let view = self.passkey()?;
        let Some(shown) = view
            .code
            .as_deref()
            .filter(|_| view.stage == PasskeyStage::Confirm)
        else {
            return Err(PasskeyError::NotConfirming(view.stage));
        };
        let plain = |code: &str| {
            code.chars()
                .filter(char::is_ascii_alphanumeric)
                .map(|c| c.to_ascii_uppercase())
                .collect::<String>()
        };
        if plain(code) != plain(shown) {
            return Err(PasskeyError::WrongCode);
        }
        match self.order_passkey(PasskeyOrder::Confirm).await {
            Err(PasskeyError::Page(PageError::Refused { .. })) => {
                return Err(PasskeyError::NotConfirming(self.passkey()?.stage));
            }
            confirmed => confirmed?,
        }
        let mut snapshot = self.snapshot.clone();
        let _ = timeout(
            SENT,
            snapshot.wait_for(|now| {
                now.passkey
                    .as_ref()
                    .is_none_or(|now| now.stage != PasskeyStage::Confirm)
            }),
        )
        .await;
        Ok(self.passkey().unwrap_or(PasskeyView {
            stage: PasskeyStage::Finishing,
            code: None,
            token: None,
            ..view
        }))
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
