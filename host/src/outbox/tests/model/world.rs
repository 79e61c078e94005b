//! The model of WhatsApp: a page with a queue, and the messages that recipients have received.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;

use crate::{
    model::{AckLevel, Address, MessageId, PhoneNumber, Recipient},
    outbox::tests::fake::{Death, gone},
    whatsapp::{
        Call, Found, PageChannel, PageError, PageSend, PageSending, Stored, fake::Unanswered,
    },
};

/// WhatsApp with one page at a time. Messages that the page has stored outlive it; its queue does
/// not.
#[derive(Debug, Default)]
pub(super) struct World(Mutex<State>, pub(super) Unanswered);

#[derive(Debug, Default)]
pub(super) struct State {
    stored: HashMap<MessageId, String>,
    pub(super) queue: Vec<MessageId>,
    /// Messages that recipients have received, in the order of arrival.
    pub(super) arrived: Vec<MessageId>,
    pub(super) dies: Option<Death>,
    /// Whether the next answer is lost: after storing the message (`true`) or before (`false`).
    pub(super) loses: Option<bool>,
    /// The error with which it refuses the next message.
    pub(super) refuses: Option<PageError>,
    pub(super) dead: bool,
    pub(super) lookups_fail: bool,
}

impl World {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("lock")
    }

    fn alive(&self) -> Result<MutexGuard<'_, State>, PageError> {
        let state = self.state();
        if state.dead { Err(gone()) } else { Ok(state) }
    }

    pub(super) fn new_page(&self) {
        let mut state = self.state();
        state.queue.clear();
        (state.dies, state.loses, state.refuses, state.dead) = (None, None, None, false);
    }
}

#[async_trait]
impl PageChannel for World {
    async fn call(&self, call: Call) -> Result<serde_json::Value, PageError> {
        self.1.refuse(&call)
    }
}

#[async_trait]
impl PageSending for World {
    async fn resolve(&self, number: &PhoneNumber) -> Result<Option<Address>, PageError> {
        let state = self.alive()?;
        if state.lookups_fail {
            Err(gone())
        } else {
            Ok(Some(Address::of_number(number)))
        }
    }
    async fn address(&self, chat: &str) -> Result<Address, PageError> {
        Ok(Address {
            chat: chat.into(),
            pn: None,
            lid: None,
        })
    }
    async fn established(&self, _: &[Recipient]) -> Result<Vec<Recipient>, PageError> {
        Ok(vec![])
    }
    async fn typing(&self, _: &str, _: Duration) -> Result<(), PageError> {
        Ok(())
    }
    async fn preview(&self, _: &PageSend) -> Result<(), PageError> {
        Ok(())
    }
    async fn send(&self, send: &PageSend) -> Result<Stored, PageError> {
        let mut state = self.alive()?;
        if state.dies == Some(Death::BeforeStoring) {
            state.dead = true;
            return Err(gone());
        }
        if let Some(error) = state.refuses.take() {
            return Err(error);
        }
        let lost = state.loses.take();
        if lost == Some(false) {
            return Err(gone());
        }
        let duplicate = state
            .stored
            .insert(send.id.clone(), send.chat.clone())
            .is_some();
        if state.dies == Some(Death::AfterStoring) {
            state.dead = true;
            return Err(gone());
        }
        if !duplicate {
            state.queue.push(send.id.clone());
        }
        if lost.is_some() {
            return Err(gone());
        }
        let address = Address {
            chat: send.chat.clone(),
            pn: None,
            lid: None,
        };
        Ok(Stored {
            address,
            key: format!("true_{}_{}", send.chat, send.id),
            duplicate,
        })
    }
    async fn find(&self, id: &MessageId, chat: &str) -> Result<Option<Found>, PageError> {
        let state = self.alive()?;
        let arrived = state.arrived.contains(id);
        let address = Address {
            chat: chat.to_owned(),
            pn: None,
            lid: None,
        };
        let found = || Found {
            address,
            key: format!("true_{chat}_{id}"),
            ack: arrived.then_some(AckLevel::Server),
            failed: !arrived && !state.queue.contains(id),
        };
        Ok(state.stored.contains_key(id).then(found))
    }
    async fn resend(&self, id: &MessageId, _: &str) -> Result<(), PageError> {
        self.alive()?.queue.push(id.clone());
        Ok(())
    }
}
