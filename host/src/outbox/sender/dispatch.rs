//! The last questions before a send is begun: where to, and whether it may still leave. Plugins are
//! asked again when time has passed or when the address is another than the one that they have
//! judged.

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

/// A look-up that failed is tried again after so long.
const LOOKUP_PAUSE: u64 = 3_000;

/// What became of a look-up.
pub(super) enum Resolved {
    Address(Address),
    /// It is no number of WhatsApp's; the send has ended.
    Ended,
    /// No answer; the send waits.
    Later,
}

/// What the plugins say of a row that waited.
pub(super) enum Judged {
    Allowed(Box<OutboundMessage>, Vec<Step>),
    /// It was refused; the send has ended.
    Ended,
    /// A plugin could not be asked; the send waits.
    Later,
}

impl Sender {
    /// Quiet hours and caps judge the moment of sending, not that of the request; and whoever
    /// judged an address judges the one that is used.
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
            traceparent: String::new(),
            attempt: 2,
        };
        let (decision, verdicts) = match self.inner.pipeline.validate(&subject, message).await {
            // No plugin may move it to somebody else.
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
            // A plugin may have made something else of it.
            Ok(message) => match fits(&message.content, self.inner.settings.max_length) {
                Ok(()) => return Ok(Judged::Allowed(Box::new(message), steps)),
                Err(error) => format!("what a plugin made of it cannot be sent: {error}"),
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
            // No answer is not the answer "no".
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

    /// A chat by its id needs no look-up. The number behind an opaque id is worth a question all
    /// the same: plugins judge by it, and what goes to that number is in the same chat.
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
                debug!(client = %self.client, id = %row.id, %error, "the page cannot say whose id this is");
                Ok(address)
            }
        }
    }
}
