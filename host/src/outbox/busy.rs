//! `[send] when_busy = "reject"`: who waits for an outcome is told at once that the send could not
//! begin now.
//!
//! Asked before the send is accepted, so it is an answer about this moment: of two who ask at once
//! both may be let in, and the second then waits its turn as with `wait`.

use std::time::Duration;

use super::{handle::Outbox, pace};
use crate::{
    config::WhenBusy,
    model::{ClientId, Recipient, Timestamp},
    store::StoreError,
};

/// Why a send could not begin now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBack {
    /// For people.
    pub reason: String,
    /// Worth another try after so long; none: nobody knows.
    pub retry_after: Option<Duration>,
}

impl Outbox {
    /// Why a send to `recipient` is to be refused now. None: it may wait its turn, or there is
    /// nothing to wait for.
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
                reason: "the session's sends are paused; resume them first".into(),
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
                "the session's pace allows no send",
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
