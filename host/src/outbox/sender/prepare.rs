//! Checks before messages are sent: which messages of a chat may be sent now, and to which address.

use std::sync::Arc;

use tracing::debug;

use super::{
    dispatch::{Judged, Resolved},
    page_send::page_send,
    state::Sender,
};
use crate::{
    model::{Recipient, Timestamp},
    outbox::{claims::Claim, pace},
    store::{OutboxRow, Step, StoreError},
    whatsapp::{PageSend, PageSending},
};

/// The messages of a chat that may be sent now.
pub(super) struct Prepared {
    /// The chat. There are two if the look-up has just found out that an opaque id and a number are
    /// one chat.
    pub(super) queues: Vec<Recipient>,
    /// Whether further messages have to wait.
    pub(super) waits: bool,
    /// Whether one of the messages has ended.
    pub(super) ended: bool,
    pub(super) rows: Vec<Ready>,
}

/// A message that may be sent now, with the request to the page.
pub(super) struct Ready {
    pub(super) row: OutboxRow,
    pub(super) judged: Vec<Step>,
    pub(super) send: PageSend,
    pub(super) claim: Claim,
}

impl Sender {
    /// Finds out which messages of a chat may be sent now, and to which address.
    pub(super) async fn prepare(
        &self,
        page: &Arc<dyn PageSending>,
        rows: Vec<OutboxRow>,
    ) -> Result<Prepared, StoreError> {
        let queue = rows
            .first()
            .map(|row| row.queue.clone())
            .ok_or_else(|| StoreError::Corrupt("a chat without rows".into()))?;
        let mut prepared = Prepared {
            queues: vec![queue],
            waits: false,
            ended: false,
            rows: Vec::with_capacity(rows.len()),
        };
        for row in rows {
            // A task that has claimed it to ask the page about it will see that it is queued, and
            // release the claim.
            let Some(claim) = self.claims.claim(&row.id, usize::MAX) else {
                prepared.waits = true;
                break;
            };
            if row.expires_at.is_some_and(|at| at <= Timestamp::now()) {
                self.expire(&row).await?;
                prepared.ended = true;
                continue;
            }
            let address = match self.resolve(page, &row).await? {
                Resolved::Address(address) => address,
                Resolved::Ended => {
                    prepared.ended = true;
                    continue;
                }
                Resolved::Later => {
                    prepared.waits = true;
                    break;
                }
            };
            prepared.queues.extend(
                address
                    .number()
                    .map(Recipient::Number)
                    .filter(|queue| !prepared.queues.contains(queue)),
            );
            let (message, judged) = match self.still_allowed(&row, address).await? {
                Judged::Allowed(message, judged) => (*message, judged),
                Judged::Ended => {
                    prepared.ended = true;
                    continue;
                }
                Judged::Later => {
                    prepared.waits = true;
                    break;
                }
            };
            if self.previews.holds(&self.inner, page, &row, &message) {
                prepared.waits = true;
                break;
            }
            let send = page_send(&row.message_id, &message);
            prepared.rows.push(Ready {
                row: OutboxRow { message, ..row },
                judged,
                send,
                claim,
            });
        }
        Ok(prepared)
    }

    /// Shows the typing indicator to the recipients for as long as a person would type. No message
    /// fails if that does not work.
    pub(super) async fn type_first(&self, page: &Arc<dyn PageSending>, chats: &[Prepared]) {
        for Ready { row, send, .. } in chats.iter().flat_map(|chat| &chat.rows) {
            let characters = row
                .message
                .content
                .body()
                .map_or(0, |body| body.chars().count());
            let how_long = pace::typing(&self.pacing, characters);
            if how_long.is_zero() {
                continue;
            }
            if let Err(error) = page.typing(&send.chat, how_long).await {
                debug!(client = %self.client, id = %row.id, %error, "the typing indicator was not shown");
            }
        }
    }
}
