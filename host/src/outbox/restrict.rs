//! Restrictions of an account. WhatsApp's refusals with the codes 463 and 475 concern strangers
//! only, so only messages to strangers are held back.
//!
//! The page knows when the time lock ends, and it is lifted as soon as the page says so. If
//! WhatsApp has not told an end, messages to strangers are tried again after a day, and another
//! refusal restricts them again.

use std::time::Duration;

use tracing::{info, warn};

use super::handle::{Inner, Outbox};
use crate::{
    model::{
        Account, ClientId, Event, Restriction, RestrictionChanged, RestrictionKind, Timestamp,
        millis,
    },
    store::StoreError,
    whatsapp::TimeLock,
};

/// Assumed length of a restriction whose end is not known.
const TRY_AGAIN: Duration = Duration::from_secs(86_400);

impl Outbox {
    /// The restrictions of a session.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn restrictions(&self, client: &ClientId) -> Result<Vec<Restriction>, StoreError> {
        self.inner.store.restrictions(client).await
    }

    /// Records the time lock as the page reports it; `None` means that there is none.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn time_lock(
        &self,
        client: &ClientId,
        account: Option<&Account>,
        lock: Option<TimeLock>,
    ) -> Result<(), StoreError> {
        if let Some(TimeLock { until }) = lock {
            return self
                .inner
                .restrict(client, account, RestrictionKind::ReachOutTimeLock, until)
                .await;
        }
        self.inner
            .lift(client, account, |restriction| {
                restriction.kind == RestrictionKind::ReachOutTimeLock
            })
            .await
    }

    /// Lifts all restrictions of a session, because a person asks for it or because the account may
    /// be another one.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn lift(&self, client: &ClientId) -> Result<(), StoreError> {
        self.inner.lift(client, None, |_| true).await?;
        self.inner.store.lift_unknown(client, None).await?;
        self.inner.accepted.notify_waiters();
        Ok(())
    }
}

impl Inner {
    /// Records a restriction. `until` is its end, if WhatsApp has told it.
    pub(super) async fn restrict(
        &self,
        client: &ClientId,
        account: Option<&Account>,
        kind: RestrictionKind,
        until: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let since = Timestamp::now();
        let known = until.is_some();
        let until = until.unwrap_or_else(|| since.plus_millis(millis(TRY_AGAIN)));
        let restriction = Restriction { kind, since, until };
        let (events, owner, account) = (self.events.clone(), client.clone(), account.cloned());
        let tell = move || events.prepare(&owner, account.as_ref(), told(restriction, true));
        if self
            .store
            .restrict(client, restriction, known, tell)
            .await?
        {
            self.events.committed();
            warn!(%client, kind = kind.as_str(), code = kind.code(), "WhatsApp lets this account write to nobody new; sends to strangers wait");
        }
        Ok(())
    }

    /// Lifts the restrictions for which `meant` returns `true`.
    pub(super) async fn lift(
        &self,
        client: &ClientId,
        account: Option<&Account>,
        meant: impl Fn(&Restriction) -> bool + Send,
    ) -> Result<(), StoreError> {
        for restriction in self
            .store
            .restrictions(client)
            .await?
            .into_iter()
            .filter(meant)
        {
            let event = self
                .events
                .prepare(client, account, told(restriction, false));
            if self.store.lift(client, restriction.kind, event).await? {
                self.events.committed();
                info!(%client, kind = restriction.kind.as_str(), "a restriction is over; sends to strangers go on");
            }
        }
        Ok(())
    }
}

fn told(restriction: Restriction, active: bool) -> Event {
    let Restriction { kind, since, until } = restriction;
    Event::report(&RestrictionChanged {
        kind,
        code: kind.code(),
        active,
        since,
        until,
    })
}
