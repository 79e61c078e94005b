//! Wakes those who wait for a send. It holds no outcome: those are read from the database. What the
//! page has stored and what WhatsApp's server has taken is announced here first, because that is
//! true from that moment, whenever it is noted.

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

/// What was announced of a send.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard {
    /// How often its row has changed.
    pub(super) changes: u64,
    /// The page has it.
    pub(super) stored: Option<Stored>,
    /// The server has it.
    pub(super) acked: Option<Ack>,
}

/// To all who wait for one send.
#[derive(Debug, Default)]
struct Channel {
    heard: watch::Sender<Heard>,
    /// WhatsApp's id of it, as soon as that is known.
    message: Option<MessageId>,
}

/// Those who wait, by send.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    channels: Mutex<HashMap<OutboxId, Channel>>,
    /// Who waits for an outcome.
    for_outcome: AtomicUsize,
    /// Held for reading from before an acknowledgement is told until it is noted.
    noting: RwLock<()>,
}

/// Somebody waits for an outcome until this is dropped.
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

    /// Hears all that is announced of that send from now on.
    pub(super) fn of(&self, id: &OutboxId) -> watch::Receiver<Heard> {
        let mut channels = self.channels();
        channels.retain(|_, channel| channel.heard.receiver_count() > 0);
        channels.entry(id.clone()).or_default().heard.subscribe()
    }

    /// Under which id WhatsApp speaks of it.
    pub(super) fn named(&self, id: &OutboxId, message: &MessageId) {
        if let Some(channel) = self.channels().get_mut(id) {
            channel.message = Some(message.clone());
        }
    }

    /// Says that somebody waits for an outcome.
    pub(super) fn for_outcome(&self) -> Awaiting<'_> {
        self.for_outcome.fetch_add(1, Ordering::AcqRel);
        Awaiting(&self.for_outcome)
    }

    /// Whether somebody waits for an outcome.
    pub(super) fn outcome_awaited(&self) -> bool {
        self.for_outcome.load(Ordering::Acquire) > 0
    }

    /// Its row has changed.
    pub(super) fn wake(&self, id: &OutboxId) {
        self.tell(id, |heard| heard.changes += 1);
    }

    /// Announces that the page has it; that is being noted.
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

    /// Waits until what was told is noted: whoever heard of it finds it in the database.
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
