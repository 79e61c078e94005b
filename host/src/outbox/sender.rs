//! One task per session: takes its rows in order and puts them into the page, finds out what became of those before.
//!
//! Rows go one after the other, so a chat's messages keep their order; the page's own part takes milliseconds, and
//! acknowledgements are not waited for here.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    time::{Instant, sleep},
};
use tracing::{debug, error, warn};

use super::{Inner, accept::JUDGED_FOR};
use crate::{
    model::{Address, ClientId, Content, FailureCode, OutboundMessage, Timestamp},
    plugins::{Decision, Subject},
    store::{Finish, OutboxRow, RowState, StoreError},
    whatsapp::{Page, PageError, SendNews, SendProgress, TextSend},
};

/// A look at the table at least so often: rows become due, acknowledgements stay away.
const TICK: Duration = Duration::from_secs(1);
/// A look-up that failed is tried again after so long.
const LOOKUP_PAUSE: u64 = 3_000;
/// A page that is being loaded is asked again after so long, unless it is replaced before.
const BOOT_PAUSE: u64 = 500;
/// Sends of unknown outcome are asked about so often.
const ASK_AGAIN: Duration = Duration::from_secs(30);
const BEGUN: &[RowState] = &[RowState::Sending, RowState::Unknown];

struct Sender {
    inner: Arc<Inner>,
    client: ClientId,
    token: i64,
}

pub(super) async fn run(inner: Arc<Inner>, client: ClientId, mut pages: watch::Receiver<Option<Arc<dyn Page>>>) {
    let token = loop {
        match inner.store.lease(&client).await {
            Ok(token) => break token,
            Err(error) => error!(%client, %error, "the lease of the session's outbox cannot be taken"),
        }
        sleep(TICK).await;
    };
    let sender = Sender { inner, client, token };
    loop {
        let page = pages.borrow_and_update().clone();
        match page {
            None => {
                if pages.changed().await.is_err() {
                    return;
                }
            }
            Some(page) => {
                let gone = async {
                    // An error: the session has ended.
                    let _ = pages.changed().await;
                };
                tokio::select! {
                    result = sender.work(&page) => {
                        if let Err(error) = result {
                            error!(client = %sender.client, %error, "the outbox stops for a moment");
                            sleep(TICK).await;
                        }
                    }
                    () = gone => {}
                }
                if pages.has_changed().is_err() {
                    return;
                }
            }
        }
    }
}

impl Sender {
    /// Works with one page until it is replaced. Being dropped in the middle is as good as a crash: the rows tell.
    async fn work(&self, page: &Arc<dyn Page>) -> Result<(), StoreError> {
        let store = &self.inner.store;
        for row in store.begun(&self.client).await? {
            self.reconcile(page, &row).await?;
        }
        let mut asked = Instant::now();
        loop {
            let accepted = self.inner.accepted.notified();
            while let Some(row) = store.next_queued(&self.client).await? {
                self.send(page, &row).await?;
            }
            tokio::select! {
                () = accepted => {}
                () = sleep(TICK) => {
                    let ask_again = asked.elapsed() >= ASK_AGAIN;
                    if ask_again {
                        asked = Instant::now();
                    }
                    self.overdue(page, ask_again).await?;
                }
            }
        }
    }

    async fn send(&self, page: &Arc<dyn Page>, row: &OutboxRow) -> Result<(), StoreError> {
        let Some(message) = self.still_allowed(row).await? else { return Ok(()) };
        let Some(address) = self.resolve(page, row).await? else { return Ok(()) };
        let message = OutboundMessage { to: address, ..message };
        let Content::Text(text) = message.content.clone() else {
            let words = "this kind of message cannot be sent yet".to_owned();
            self.inner.finish(row, &[RowState::Queued], Finish::NotSent(FailureCode::PageError, words)).await?;
            return Ok(());
        };
        if !self.inner.store.begin_send(&row.id, &message.to.chat, &message, self.token).await? {
            return Ok(());
        }
        let send = TextSend { id: row.message_id.clone(), chat: message.to.chat.clone(), text, reply_to: message.reply_to.clone() };
        let row = OutboxRow { chat: Some(message.to.chat.clone()), state: RowState::Sending, message, ..row.clone() };
        match page.send_text(&send).await {
            Ok(stored) => {
                self.inner.store.stored_as(&row.id, &stored.address, &stored.key).await?;
                if stored.duplicate { self.reconcile(page, &row).await } else { Ok(()) }
            }
            // Nothing was begun in the page.
            Err(error @ (PageError::Refused { .. } | PageError::ContractBroken { .. })) => {
                self.inner.finish(&row, BEGUN, Finish::NotSent(FailureCode::PageError, error.to_string())).await?;
                Ok(())
            }
            Err(PageError::Booting { .. }) => self.inner.store.requeue(&row.id, Timestamp::now().plus_millis(BOOT_PAUSE)).await,
            Err(error) => {
                warn!(client = %self.client, id = %row.id, %error, "a send broke off; the page will be asked for its id");
                Ok(())
            }
        }
    }

    /// Quiet hours and caps judge the moment of sending, not that of the request.
    async fn still_allowed(&self, row: &OutboxRow) -> Result<Option<OutboundMessage>, StoreError> {
        let waited = Duration::from_millis(Timestamp::now().since(row.created_at));
        if waited < JUDGED_FOR {
            return Ok(Some(row.message.clone()));
        }
        let subject = Subject { session: self.client.clone(), id: row.id.0.clone(), traceparent: String::new(), attempt: 2 };
        match self.inner.pipeline.validate(&subject, row.message.clone()).await {
            Decision::Allow(message, _) => Ok(Some(message)),
            Decision::Reject(rejection, _) => {
                let words = format!("{} ({}): {}", rejection.plugin, rejection.code, rejection.reason);
                self.inner.finish(row, &[RowState::Queued], Finish::NotSent(FailureCode::Rejected, words)).await?;
                Ok(None)
            }
        }
    }

    async fn resolve(&self, page: &Arc<dyn Page>, row: &OutboxRow) -> Result<Option<Address>, StoreError> {
        let store = &self.inner.store;
        let ttl = i64::try_from(self.inner.settings.address_ttl.duration().as_millis()).unwrap_or(i64::MAX);
        let oldest = Timestamp(Timestamp::now().0.saturating_sub(ttl));
        if let Some(address) = store.cached_address(&self.client, &row.number, oldest).await? {
            return Ok(Some(address));
        }
        match page.resolve(&row.number).await {
            Ok(Some(address)) => {
                store.cache_address(&self.client, &row.number, &address).await?;
                Ok(Some(address))
            }
            Ok(None) => {
                let words = format!("{} has no WhatsApp account", row.number);
                self.inner.finish(row, &[RowState::Queued], Finish::NotSent(FailureCode::NotOnWhatsapp, words)).await?;
                Ok(None)
            }
            Err(error @ PageError::ContractBroken { .. }) => {
                self.inner.finish(row, &[RowState::Queued], Finish::NotSent(FailureCode::PageError, error.to_string())).await?;
                Ok(None)
            }
            // No answer is not the answer "no".
            Err(error) => {
                debug!(client = %self.client, id = %row.id, %error, "the look-up failed; tried again later");
                store.requeue(&row.id, Timestamp::now().plus_millis(LOOKUP_PAUSE)).await?;
                Ok(None)
            }
        }
    }

    /// Rows that were begun and not acknowledged in time: nobody knows, so the caller is told just that, and the page is asked.
    async fn overdue(&self, page: &Arc<dyn Page>, ask_again: bool) -> Result<(), StoreError> {
        let limit = self.inner.settings.ack_timeout.duration();
        for row in self.inner.store.begun(&self.client).await? {
            let waited = Duration::from_millis(Timestamp::now().since(row.updated_at));
            if waited < limit || (row.state == RowState::Unknown && !ask_again) {
                continue;
            }
            if row.state == RowState::Sending {
                self.inner.finish(&row, &[RowState::Sending], Finish::Unknown(format!("no acknowledgement within {limit:?}"))).await?;
            }
            self.reconcile(page, &row).await?;
        }
        Ok(())
    }

    /// Was it sent? The page knows the id, or has never had it.
    async fn reconcile(&self, page: &Arc<dyn Page>, row: &OutboxRow) -> Result<(), StoreError> {
        let chat = row.chat.clone().unwrap_or_else(|| row.message.to.chat.clone());
        match page.find(&row.message_id, &chat).await {
            Ok(Some(found)) => match found.ack {
                Some(level) => {
                    let news = SendNews { id: row.message_id.clone(), address: found.address, what: SendProgress::Ack(level) };
                    super::Outbox { inner: Arc::clone(&self.inner) }.on_send_news(&self.client, None, news).await
                }
                None if found.failed => match page.resend(&row.message_id, &chat).await {
                    Ok(()) => Ok(()),
                    Err(error) => {
                        warn!(client = %self.client, id = %row.id, %error, "cannot be sent again yet");
                        Ok(())
                    }
                },
                // In the page's own queue.
                None => Ok(()),
            },
            // The page stores a message before it sends it: what it does not know has never left.
            Ok(None) => self.inner.store.requeue(&row.id, Timestamp::now()).await,
            Err(error) => {
                warn!(client = %self.client, id = %row.id, %error, "the page cannot be asked about a send yet");
                Ok(())
            }
        }
    }
}
