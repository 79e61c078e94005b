//! `[send] when_busy = "reject"`: a caller that waits for the outcome is refused at once if sending
//! could not begin now.
//!
//! This is checked before the message is accepted, so it only reflects that moment: two
//! simultaneous requests may both pass, and the second message then waits its turn as with `wait`.

use std::time::Duration;

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
    /// When the database cannot be read.
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
        if let Some(at) = restricted {
            return Ok(until(
                pace::Turn::At(at),
                "WhatsApp lets this account write to nobody new, at the latest",
            ));
        }
        Ok(until(
            pace::next_cold(pacing, store, client, now).await?,
            "the session's budget for strangers is used up",
        ))
    }
}
