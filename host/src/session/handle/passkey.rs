//! The calls of others about a passkey ceremony.

use std::time::Duration;

use tokio::time::timeout;

use super::{Command, SessionHandle};
use crate::{
    session::passkey::{PasskeyStage, PasskeyView},
    whatsapp::{AssertionFault, PageError, PasskeyOrder, PasskeyPurpose, check_assertion},
};

/// How long to wait for the effect of an answer or a confirmation; the page sends an assertion
/// within a second or two.
const SENT: Duration = Duration::from_secs(10);

/// Why a call about a passkey failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasskeyError {
    /// WhatsApp does not ask for a passkey.
    #[error("WhatsApp asks for no passkey now")]
    NotAsked,
    /// The ceremony does not wait for an assertion.
    #[error("no assertion is waited for now: the ceremony is in the stage {}", .0.as_str())]
    NotWaiting(PasskeyStage),
    /// The assertion is invalid.
    #[error("the assertion cannot be used: {0}")]
    Invalid(#[from] AssertionFault),
    /// The challenge has expired.
    #[error("the challenge has expired, and the assertion with it: {}", if *again { "a fresh one has been asked for; get it and sign again" } else { "scan a new QR, then sign again" })]
    Expired {
        /// Whether a new challenge has been requested.
        again: bool,
    },
    /// WhatsApp or the page has refused the assertion.
    #[error("the assertion was refused: {0}")]
    Refused(String),
    /// The ceremony does not wait for a code to be confirmed.
    #[error("no code is to be confirmed now: the ceremony is in the stage {}", .0.as_str())]
    NotConfirming(PasskeyStage),
    /// The code is not the one that the page shows.
    #[error("this is not the code that the page shows; confirm only what the phone shows as well")]
    WrongCode,
    /// The call into the page failed.
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

    /// Whether a pairing code or a QR code would now end a ceremony.
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

    /// Validates an assertion (JSON, as a browser makes it) and gives it to the page. Returns when
    /// the page has sent it or has failed, or after 10 s.
    ///
    /// # Errors
    /// See [`PasskeyError`]. An assertion that arrives after the challenge has expired causes one
    /// request for a new challenge.
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
            // The question was just answered or cancelled.
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
        // A checkpoint ends with its answer.
        Ok(self.passkey().unwrap_or(PasskeyView {
            stage: PasskeyStage::Finishing,
            public_key: None,
            token: None,
            ..view
        }))
    }

    /// Confirms, on behalf of a person, that the phone shows this code.
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

    /// Cancels the ceremony; a page that waits to be linked goes back to QR codes.
    ///
    /// # Errors
    /// [`PasskeyError::NotAsked`] when there is none.
    pub async fn cancel_passkey(&self) -> Result<(), PasskeyError> {
        self.passkey()?;
        self.tell(Command::PasskeyCancel).await;
        Ok(())
    }
}
