//! What is found out before rows are begun: which of a chat's may be sent now, and where to.

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

/// What of a chat may be sent now.
pub(super) struct Prepared {
    /// Whose chat it is. Two, when the look-up has just found out that an opaque id and a number
    /// are one.
    pub(super) queues: Vec<Recipient>,
    /// There is more that has to wait.
    pub(super) waits: bool,
    /// One of its rows has ended.
    pub(super) ended: bool,
    pub(super) rows: Vec<Ready>,
}

/// A row that may be sent now, in the form that it goes in.
pub(super) struct Ready {
    pub(super) row: OutboxRow,
    pub(super) judged: Vec<Step>,
    pub(super) send: PageSend,
    pub(super) claim: Claim,
}

impl Sender {
    /// Finds out what of a chat's rows may be sent now, and where to.
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
            // Whoever asks the page about it just now will see that it is queued, and give the
            // claim back.
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

    /// Shows the recipients that somebody types, as long as it would take. It is a courtesy: no
    /// send fails by it.
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
                debug!(client = %self.client, id = %row.id, %error, "nobody was shown typing");
            }
        }
    }
}
