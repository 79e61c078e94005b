//! `[send] when_busy = "reject"`: a caller that waits for the outcome is refused at once if sending
//! could not begin now.
//!
//! This is checked before the message is accepted, so it only reflects that moment: two
//! simultaneous requests may both pass, and the second message then waits its turn as with `wait`.
//! Who is a stranger is decided as in the queue: contacts that are older than the gateway's database
//! are known only to the page, so it is asked before a message to a stranger is refused.

use std::time::Duration;

use tracing::debug;

use super::{handle::Outbox, pace};
use crate::{
    config::WhenBusy,
    model::{ClientId, Recipient, Timestamp},
    store::StoreError,
};

/// Why sending could not begin now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBack {
    /// The reason as text for people.
    pub reason: String,
    /// How long to wait before trying again; `None` if that is not known.
    pub retry_after: Option<Duration>,
}

impl Outbox {
    /// Why a message to `recipient` is to be refused now, or `None` if it is to be accepted.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn held_back(
        &self,
        client: &ClientId,
        recipient: &Recipient,
    ) -> Result<Option<HeldBack>, StoreError> {
        if self.inner.settings.when_busy == WhenBusy::Wait {
            return Ok(None);
        }
        let (store, pacing, now) = (
            &self.inner.store,
            self.inner.pacing(client),
            Timestamp::now(),
        );
        let sending = store.sending(client).await?;
        if sending.paused_at.is_some() {
            return Ok(Some(HeldBack {
                reason: "sending is paused in this session; resume it first".into(),
                retry_after: None,
            }));
        }
        let until = |turn, what: &str| match turn {
            pace::Turn::Now => None,
            pace::Turn::At(at) => Some(HeldBack {
                reason: format!("{what} until {}", at.rfc3339()),
                retry_after: Some(pace::left(at, now)),
            }),
        };
        let paced = if pacing.counts() {
            until(
                pace::next(pacing, store, client, sending, now).await?,
                "the session's pacing allows no message",
            )
        } else {
            None
        };
        if paced.is_some() || store.knows(client, recipient).await? {
            return Ok(paced);
        }
        let restricted = store
            .restrictions(client)
            .await?
            .into_iter()
            .map(|restriction| restriction.until)
            .max();
        let held = match restricted {
            Some(at) => until(
                pace::Turn::At(at),
                "WhatsApp lets this account write to nobody new, at the latest",
            ),
            None => until(
                pace::next_cold(pacing, store, client, now).await?,
                "the session's budget for strangers is used up",
            ),
        };
        if held.is_some() && !self.is_stranger(client, recipient).await? {
            return Ok(None);
        }
        Ok(held)
    }

    /// Whether a recipient whom the database does not know is a stranger. Without a page nobody can
    /// tell, so the answer is no: the queue asks the next page.
    async fn is_stranger(
        &self,
        client: &ClientId,
        recipient: &Recipient,
    ) -> Result<bool, StoreError> {
        let Some(page) = self.inner.page(client) else {
            return Ok(false);
        };
        // If the page cannot answer, the recipient is a stranger, as for the queue.
        let known = page
            .established(std::slice::from_ref(recipient))
            .await
            .unwrap_or_else(|error| {
                debug!(%client, %error, "the page cannot tell whether it has a chat with a recipient");
                vec![]
            });
        if known.is_empty() {
            return Ok(true);
        }
        self.inner.store.know(client, known).await?;
        Ok(false)
    }
}
