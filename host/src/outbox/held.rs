//! Messages that were accepted for the previous account of a session. They are never sent from
//! another account by themselves, but held until a person releases or cancels them.

use futures_util::future::join_all;
use tracing::warn;

use super::handle::Outbox;
use crate::{
    model::{self, Account, ClientId, Event},
    store::{Held, Relinked, StoreError},
};

impl Outbox {
    /// Records the account of a session; `None` means that it has a new login whose account is not
    /// known yet. Call it before anything can be sent with the account.
    ///
    /// # Errors
    /// When the database cannot be written; then nothing may be sent yet.
    pub async fn note_account(
        &self,
        client: &ClientId,
        account: Option<&Account>,
    ) -> Result<(), StoreError> {
        // Meanwhile no recipient of a bulk order can enter the queue.
        let _orders = self.inner.orders.lock().await;
        let previous = self.inner.store.account(client).await?;
        if previous.is_some_and(|previous| !account.is_some_and(|account| account.is(&previous))) {
            self.login_ended(client, "the session was linked to another account")
                .await?;
        }
        let (events, owner, now) = (self.inner.events.clone(), client.clone(), account.cloned());
        let tell = move |relinked: &Relinked| {
            let Held {
                messages,
                recipients,
            } = relinked.held;
            let held = model::HeldCounts {
                messages,
                recipients,
            };
            let report = model::Relinked {
                previous: relinked.previous.clone(),
                account: now.clone(),
                held,
            };
            events.prepare(&owner, now.as_ref(), Event::report(&report))
        };
        if let Some(Relinked { held, .. }) =
            self.inner.store.note_account(client, account, tell).await?
        {
            self.inner.events.committed();
            let Held {
                messages,
                recipients,
            } = held;
            warn!(%client, messages, recipients, "the session is linked to another account; messages accepted for the previous one are held");
        }
        Ok(())
    }

    /// How much is held.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn held(&self, client: &ClientId) -> Result<Held, StoreError> {
        self.inner.store.held(client).await
    }

    /// Releases what is held, to be sent from the session's current account. Returns how much that
    /// was.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn release_held(&self, client: &ClientId) -> Result<Held, StoreError> {
        let released = self.inner.store.release_held(client).await?;
        self.inner.accepted.notify_waiters();
        self.inner.ordered.notify_one();
        Ok(released)
    }

    /// Cancels what is held. Returns how much that was.
    ///
    /// # Errors
    /// When the database fails; the rest stays held.
    pub async fn cancel_held(&self, client: &ClientId) -> Result<Held, StoreError> {
        const WHY: &str = "accepted for the previous account, and cancelled by the caller";
        let mut cancelled = Held {
            messages: 0,
            recipients: self.inner.store.cancel_held_recipients(client, WHY).await?,
        };
        loop {
            let rows = self.inner.store.kept(client).await?;
            if rows.is_empty() {
                return Ok(cancelled);
            }
            for done in join_all(rows.iter().map(|row| self.inner.cancel(row, WHY))).await {
                cancelled.messages += u64::from(done?);
            }
        }
    }
}
