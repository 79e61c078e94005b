//! The last checks before a message is sent: its address, and whether it may still be sent. Plugins
//! are asked again if time has passed or if the address differs from the one that they have
//! validated.

use std::{sync::Arc, time::Duration};

use tracing::debug;

use super::state::Sender;
use crate::{
    model::{Address, FailureCode, OutboundMessage, Recipient, Timestamp},
    outbox::accept::{JUDGED_FOR, fits, judged},
    plugins::{Decision, Subject},
    store::{Finish, OutboxRow, RowState, Step, StoreError},
    whatsapp::{PageError, PageSending},
};

/// Pause in milliseconds before a failed look-up is tried again.
const LOOKUP_PAUSE: u64 = 3_000;

/// The result of looking up an address.
pub(super) enum Resolved {
    Address(Address),
    /// The number has no WhatsApp account, or the page cannot look it up; the message has ended.
    Ended,
    /// There was no answer; the message waits.
    Later,
}

/// The decision of the plugins on a message that waited.
pub(super) enum Judged {
    Allowed(Box<OutboundMessage>, Vec<Step>),
    /// It was rejected; the message has ended.
    Ended,
    /// A plugin could not be asked; the message waits.
    Later,
}

impl Sender {
    /// Validates a message again if that is necessary: quiet hours and limits apply to the time of
    /// sending, not to that of the request, and plugins have to see the address that is used.
    pub(super) async fn still_allowed(
        &self,
        row: &OutboxRow,
        to: Address,
    ) -> Result<Judged, StoreError> {
        let waited = Duration::from_millis(Timestamp::now().since(row.created_at));
        let judged_for = to == row.message.to;
        let message = OutboundMessage {
            to: to.clone(),
            ..row.message.clone()
        };
        if judged_for && waited < JUDGED_FOR && row.message.send_at.is_none() {
            return Ok(Judged::Allowed(Box::new(message), vec![]));
        }
        let subject = Subject {
            session: self.client.clone(),
            id: row.id.0.clone(),
            attempt: 2,
        };
        let (decision, verdicts) = match self.inner.pipeline.validate(&subject, message).await {
            // Plugins may not change the recipient.
            Decision::Allow(message, verdicts) => (Ok(OutboundMessage { to, ..message }), verdicts),
            Decision::Reject(rejection, verdicts) => (Err(rejection), verdicts),
            Decision::Busy(busy, _) => {
                self.inner
                    .store
                    .requeue(
                        &row.id,
                        Timestamp::now().plus_millis(LOOKUP_PAUSE),
                        &busy.to_string(),
                    )
                    .await?;
                return Ok(Judged::Later);
            }
        };
        let steps: Vec<Step> = verdicts
            .iter()
            .map(|verdict| judged(verdict, "dispatch"))
            .collect();
        let refused = match decision {
            // A plugin may have changed the content.
            Ok(message) => match fits(&message.content, self.inner.settings.max_length) {
                Ok(()) => return Ok(Judged::Allowed(Box::new(message), steps)),
                Err(error) => format!("the message as a plugin changed it cannot be sent: {error}"),
            },
            Err(rejection) => format!(
                "{} ({}): {}",
                rejection.plugin, rejection.code, rejection.reason
            ),
        };
        self.inner
            .finish(
                row,
                &[RowState::Queued],
                Finish::NotSent(FailureCode::Rejected, refused),
                steps,
            )
            .await?;
        Ok(Judged::Ended)
    }

    pub(super) async fn resolve(
        &self,
        page: &Arc<dyn PageSending>,
        row: &OutboxRow,
    ) -> Result<Resolved, StoreError> {
        let store = &self.inner.store;
        let number = match &row.recipient {
            Recipient::Number(number) => number,
            Recipient::Chat(_) => return self.known(page, row).await.map(Resolved::Address),
        };
        if let Some(address) = store
            .cached_address(&self.client, number, self.inner.oldest_address())
            .await?
        {
            return Ok(Resolved::Address(address));
        }
        match page.resolve(number).await {
            Ok(Some(address)) => {
                store.cache_address(&self.client, number, &address).await?;
                Ok(Resolved::Address(address))
            }
            Ok(None) => {
                let words = format!("{number} has no WhatsApp account");
                self.inner
                    .finish(
                        row,
                        &[RowState::Queued],
                        Finish::NotSent(FailureCode::NotOnWhatsapp, words),
                        vec![],
                    )
                    .await?;
                Ok(Resolved::Ended)
            }
            Err(error @ PageError::ContractBroken { .. }) => {
                self.inner
                    .finish(
                        row,
                        &[RowState::Queued],
                        Finish::NotSent(FailureCode::PageError, error.to_string()),
                        vec![],
                    )
                    .await?;
                Ok(Resolved::Ended)
            }
            // A missing answer does not mean that the number has no account.
            Err(error) => {
                debug!(client = %self.client, id = %row.id, %error, "the look-up failed; tried again later");
                store
                    .requeue(
                        &row.id,
                        Timestamp::now().plus_millis(LOOKUP_PAUSE),
                        &format!("the look-up of the number failed: {error}"),
                    )
                    .await?;
                Ok(Resolved::Later)
            }
        }
    }

    /// The address of a chat that is given by its id, which needs no look-up. The page is still
    /// asked for the number behind an opaque id, because plugins decide by it and because messages
    /// to that number belong to the same chat.
    async fn known(
        &self,
        page: &Arc<dyn PageSending>,
        row: &OutboxRow,
    ) -> Result<Address, StoreError> {
        let address = self
            .inner
            .store
            .known_address(&self.client, &row.recipient)
            .await?;
        if address.pn.is_some() || row.recipient.is_group() {
            return Ok(address);
        }
        match page.address(&address.chat).await {
            Ok(Address { pn: Some(pn), .. }) => {
                let address = Address {
                    pn: Some(pn),
                    ..address
                };
                self.inner.store.learn(&self.client, &address).await?;
                Ok(address)
            }
            Ok(_) => Ok(address),
            Err(error) => {
                debug!(client = %self.client, id = %row.id, %error, "the page cannot tell the number behind this id");
                Ok(address)
            }
        }
    }
}
