//! Carries out what follows an answer of the page.

use std::sync::Arc;

use tracing::warn;

use super::{
    answer::{Next, after_find, after_resend},
    state::Sender,
};
use crate::{
    model::Timestamp,
    outbox::{handle::Outbox, outcome::BEGUN},
    store::{Finish, OutboxRow, RowState, StoreError, Urgency},
    whatsapp::{PageSending, SendNews, SendProgress},
};

impl Sender {
    /// Carries out what follows an answer of the page about a message whose sending has begun.
    /// `urgency` is how soon the page's answer is recorded: `Now` if others wait for it. Returns
    /// `false` if the message has to wait or the page may have it, so that no other message of its
    /// chat may overtake it.
    pub(super) async fn follow(
        &self,
        page: &Arc<dyn PageSending>,
        row: &OutboxRow,
        next: Next,
        urgency: Urgency,
    ) -> Result<bool, StoreError> {
        let (mut next, mut in_page) = (next, false);
        loop {
            next = match next {
                Next::Note { stored, had_it } => {
                    self.inner.waiters.stored(&row.id, &stored);
                    self.inner
                        .store
                        .stored_as(&row.id, &stored.address, &stored.key, urgency)
                        .await?;
                    self.inner.waiters.wake(&row.id);
                    if !had_it {
                        return Ok(true);
                    }
                    in_page = true;
                    self.find(page, row).await
                }
                Next::Resend(found) => {
                    let answer = page.resend(&row.message_id, chat(row)).await;
                    after_resend(found, answer)
                }
                Next::Acknowledge(address, level) => {
                    let news = SendNews {
                        id: row.message_id.clone(),
                        address,
                        what: SendProgress::Ack(level),
                    };
                    Outbox {
                        inner: Arc::clone(&self.inner),
                    }
                    .on_send_news(&self.client, None, vec![news])
                    .await?;
                    return Ok(true);
                }
                Next::Finish(finish) => {
                    // A message of unknown outcome does not become unknown again.
                    let from = if matches!(finish, Finish::Unknown(_)) {
                        &[RowState::Sending]
                    } else {
                        BEGUN
                    };
                    if from.contains(&row.state) {
                        self.inner.finish(row, from, finish, vec![]).await?;
                    }
                    return Ok(true);
                }
                Next::Requeue { pause, reason } => {
                    let retry_at = if pause == 0 {
                        Timestamp(0)
                    } else {
                        Timestamp::now().plus_millis(pause)
                    };
                    self.put_back(row, retry_at, &reason).await?;
                    return Ok(in_page);
                }
                Next::AskLater { error, what } => {
                    warn!(client = %self.client, id = %row.id, %error, "{what}");
                    return Ok(in_page);
                }
            };
        }
    }

    /// Finds out from the page whether a message was sent. Returns whether the page has the message
    /// in its own queue.
    pub(super) async fn reconcile(
        &self,
        page: &Arc<dyn PageSending>,
        row: &OutboxRow,
    ) -> Result<bool, StoreError> {
        let next = self.find(page, row).await;
        let in_page = matches!(next, Next::Note { .. });
        self.follow(page, row, next, Urgency::Now).await?;
        Ok(in_page)
    }

    /// Asks the page for a message and decides what follows from the answer.
    async fn find(&self, page: &Arc<dyn PageSending>, row: &OutboxRow) -> Next {
        if row.profile_gone {
            return Next::Finish(Finish::Lost(
                "the login ended before WhatsApp acknowledged it".into(),
            ));
        }
        after_find(
            row.message_key.is_some(),
            page.find(&row.message_id, chat(row)).await,
        )
    }
}

/// The chat that a message was or will be sent to.
fn chat(row: &OutboxRow) -> &str {
    row.chat.as_deref().unwrap_or(&row.message.to.chat)
}
