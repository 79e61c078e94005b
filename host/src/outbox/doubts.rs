//! What became of sends that were begun: the page is asked for their ids. Nothing is sent again that may have left.

use std::{sync::Arc, time::Duration};

use tracing::warn;

use super::{Outbox, sender::Sender};
use crate::{
    model::Timestamp,
    store::{Finish, OutboxRow, RowState, StoreError},
    whatsapp::{Page, PageError, SendNews, SendProgress},
};

impl Sender {
    /// Finds out what became of those that were begun before this page was there.
    pub(super) async fn settle(&self, page: &Arc<dyn Page>) -> Result<(), StoreError> {
        for row in self.inner.store.begun(&self.client).await? {
            self.reconcile(page, &row).await?;
        }
        Ok(())
    }

    /// Rows that were begun and not acknowledged in time: nobody knows, so the caller is told just that, and the page is asked.
    pub(super) async fn overdue(&self, page: &Arc<dyn Page>, ask_again: bool, ask_soon: bool) -> Result<(), StoreError> {
        let limit = self.inner.settings.ack_timeout.duration();
        for row in self.inner.store.begun(&self.client).await? {
            if self.inner.lanes.has(&self.client, &row.id) {
                continue;
            }
            let waited = Duration::from_millis(Timestamp::now().since(row.updated_at));
            // The page may or may not have it, and its chat waits for the answer.
            if ask_soon && row.message_key.is_none() && waited < limit {
                self.reconcile(page, &row).await?;
                continue;
            }
            if waited < limit || (row.state == RowState::Unknown && !ask_again) {
                continue;
            }
            if row.state == RowState::Sending {
                self.inner.finish(&row, &[RowState::Sending], Finish::Unknown(format!("no acknowledgement within {limit:?}")), vec![]).await?;
            }
            self.reconcile(page, &row).await?;
        }
        Ok(())
    }

    /// Was it sent? The page knows the id, or has never had it.
    pub(super) async fn reconcile(&self, page: &Arc<dyn Page>, row: &OutboxRow) -> Result<(), StoreError> {
        if row.profile_gone {
            return self.beyond_asking(row, "the login ended before WhatsApp acknowledged it").await;
        }
        let chat = row.chat.clone().unwrap_or_else(|| row.message.to.chat.clone());
        match page.find(&row.message_id, &chat).await {
            Ok(Some(found)) => match found.ack {
                Some(level) => {
                    let news = SendNews { id: row.message_id.clone(), address: found.address, what: SendProgress::Ack(level) };
                    Outbox { inner: Arc::clone(&self.inner) }.on_send_news(&self.client, None, vec![news]).await
                }
                None if found.failed => match page.resend(&row.message_id, &chat).await {
                    Ok(()) => self.inner.store.stored_as(&row.id, &found.address, &found.key).await,
                    Err(PageError::Refused { reason, .. }) => self.beyond_asking(row, &reason).await,
                    Err(error) => {
                        warn!(client = %self.client, id = %row.id, %error, "cannot be sent again yet");
                        Ok(())
                    }
                },
                // In the page's own queue.
                None => self.inner.store.stored_as(&row.id, &found.address, &found.key).await,
            },
            Ok(None) if row.message_key.is_some() => self.beyond_asking(row, "the page has lost its memory of it").await,
            // The page stores a message before it sends it: what it does not know has never left.
            Ok(None) => self.inner.store.requeue(&row.id, Timestamp(0), "the page has never had it").await,
            Err(error) => {
                warn!(client = %self.client, id = %row.id, %error, "the page cannot be asked about a send yet");
                Ok(())
            }
        }
    }

    /// Sent or not, nobody can tell any more. Sending it again could double it.
    async fn beyond_asking(&self, row: &OutboxRow, why: &str) -> Result<(), StoreError> {
        if row.state == RowState::Sending {
            self.inner.finish(row, &[RowState::Sending], Finish::Unknown(why.to_owned()), vec![]).await?;
        }
        Ok(())
    }
}
