//! The page of a session, for the questions that the rest of the gateway asks.
//!
//! The page is given out only in the state in which its answers mean something: a page that is not
//! linked yet knows nobody.

use std::sync::Arc;

use super::SessionHandle;
use crate::{
    model::SessionState,
    whatsapp::{Page, PageError},
};

/// Why a question to the page has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// The session is not in the state in which this can be asked.
    #[error("the session is {state} ({reason}): {what} only while it is {needed}")]
    NotNow {
        /// The state of the session.
        state: SessionState,
        /// Why it is in this state.
        reason: String,
        /// What was asked for, as the beginning of a sentence: `a pairing code is made`.
        what: &'static str,
        /// The state that it needs.
        needed: SessionState,
    },
    /// The page, or WhatsApp behind it, failed or refused.
    #[error(transparent)]
    Page(#[from] PageError),
}

impl SessionHandle {
    /// The page, while the session is in the state `needed`. `what` is named by the error.
    ///
    /// # Errors
    /// [`AskError::NotNow`] in any other state.
    pub fn page_in(
        &self,
        needed: SessionState,
        what: &'static str,
    ) -> Result<Arc<dyn Page>, AskError> {
        let (state, reason) = {
            let now = self.snapshot.borrow();
            (now.state, now.reason.clone())
        };
        self.any_page
            .borrow()
            .clone()
            .filter(|_| state == needed)
            .ok_or(AskError::NotNow {
                state,
                reason,
                what,
                needed,
            })
    }
}
