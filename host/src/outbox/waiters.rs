//! Wakes callers that wait for a message. Outcomes are read from the database, not from here. Two
//! facts are announced here before they are committed, because they are true from that moment: that
//! the page has stored a message, and that WhatsApp's server has acknowledged it.

use std::{
    collections::HashMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::{RwLock, RwLockReadGuard, watch};

use crate::{
    model::MessageId,
    store::{Ack, OutboxId},
    whatsapp::Stored,
};

/// What was announced about a message.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard {
    /// Number of changes of its row.
    pub(super) changes: u64,
    /// Where the page has stored it, once it has.
    pub(super) stored: Option<Stored>,
    /// The acknowledgement of WhatsApp's server, once there is one.
    pub(super) acked: Option<Ack>,
}

/// The channel to all who wait for one message.
#[derive(Debug, Default)]
struct Channel {
    heard: watch::Sender<Heard>,
    /// WhatsApp's id of the message, as soon as that is known here.
    message: Option<MessageId>,
}

/// The waiting callers, by message.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    channels: Mutex<HashMap<OutboxId, Channel>>,
    /// Number of callers that wait for an outcome.
    for_outcome: AtomicUsize,
    /// Held for reading from before an acknowledgement is announced until it is committed.
    noting: RwLock<()>,
}

/// Counts a caller that waits for an outcome, until this is dropped.
#[derive(Debug)]
pub(super) struct Awaiting<'a>(&'a AtomicUsize);

impl Drop for Awaiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Waiters {
    fn channels(&self) -> MutexGuard<'_, HashMap<OutboxId, Channel>> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Subscribes to everything that is announced about a message from now on.
    pub(super) fn of(&self, id: &OutboxId) -> watch::Receiver<Heard> {
        let mut channels = self.channels();
        channels.retain(|_, channel| channel.heard.receiver_count() > 0);
        channels.entry(id.clone()).or_default().heard.subscribe()
    }

    /// Records WhatsApp's id of a message that somebody waits for.
    pub(super) fn named(&self, id: &OutboxId, message: &MessageId) {
        if let Some(channel) = self.channels().get_mut(id) {
            channel.message = Some(message.clone());
        }
    }

    /// Whether somebody waits for a message and has read its row.
    #[cfg(test)]
    pub(super) fn has_name(&self, id: &OutboxId) -> bool {
        self.channels()
            .get(id)
            .is_some_and(|channel| channel.message.is_some())
    }

    /// Counts a caller that waits for an outcome.
    pub(super) fn for_outcome(&self) -> Awaiting<'_> {
        self.for_outcome.fetch_add(1, Ordering::AcqRel);
        Awaiting(&self.for_outcome)
    }

    /// Whether any caller waits for an outcome.
    pub(super) fn outcome_awaited(&self) -> bool {
        self.for_outcome.load(Ordering::Acquire) > 0
    }

    /// Announces that the row of a message has changed.
    pub(super) fn wake(&self, id: &OutboxId) {
        self.tell(id, |heard| heard.changes += 1);
    }

    /// Announces that the page has stored a message, while that is being recorded.
    pub(super) fn stored(&self, id: &OutboxId, stored: &Stored) {
        self.tell(id, |heard| heard.stored = Some(stored.clone()));
    }

    /// Announces acknowledgements. Hold the guard until they are committed: readers wait for it.
    pub(super) async fn acked(&self, acks: &[Ack]) -> Option<RwLockReadGuard<'_, ()>> {
        let is_of = |channel: &Channel, ack: &Ack| channel.message.as_ref() == Some(&ack.id);
        if !self
            .channels()
            .values()
            .any(|channel| acks.iter().any(|ack| is_of(channel, ack)))
        {
            return None;
        }
        let noting = self.noting.read().await;
        for channel in self.channels().values() {
            if let Some(ack) = acks.iter().rfind(|ack| is_of(channel, ack)) {
                channel
                    .heard
                    .send_modify(|heard| heard.acked = Some(ack.clone()));
            }
        }
        Some(noting)
    }

    /// Waits until all announced acknowledgements are committed, so that a caller that heard of one
    /// finds it in the database.
    pub(super) async fn noted(&self) {
        if self.noting.try_write().is_err() {
            drop(self.noting.write().await);
        }
    }

    fn tell(&self, id: &OutboxId, change: impl FnOnce(&mut Heard)) {
        if let Some(channel) = self.channels().get(id) {
            channel.heard.send_modify(change);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AckLevel, Address, Timestamp};

    #[tokio::test]
    async fn who_was_told_of_an_acknowledgement_finds_it_noted() {
        let waiters = Waiters::default();
        let (id, message) = (OutboxId("out_1".into()), MessageId("3EB01".into()));
        let ack = |message: &MessageId| {
            let address = Address {
                chat: "1@c.us".into(),
                pn: None,
                lid: None,
            };
            Ack {
                id: message.clone(),
                address,
                level: AckLevel::Server,
                at: Timestamp(1),
            }
        };
        let mut heard = waiters.of(&id);
        waiters.named(&id, &message);
        assert!(
            waiters
                .acked(&[ack(&MessageId("3EB02".into()))])
                .await
                .is_none(),
            "nobody waits for another one"
        );

        let noting = waiters
            .acked(&[ack(&message)])
            .await
            .expect("somebody was told");
        assert_eq!(heard.borrow_and_update().acked, Some(ack(&message)));
        let mut reading = Box::pin(waiters.noted());
        assert!(
            futures_util::poll!(&mut reading).is_pending(),
            "it is not noted yet"
        );
        drop(noting);
        reading.await;
        waiters.noted().await;
    }

    #[test]
    fn an_outcome_is_awaited_while_somebody_does() {
        let waiters = Waiters::default();
        let (one, other) = (waiters.for_outcome(), waiters.for_outcome());
        drop(one);
        assert!(waiters.outcome_awaited());
        drop(other);
        assert!(!waiters.outcome_awaited());
    }
}
