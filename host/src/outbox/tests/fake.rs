//! A fake page of WhatsApp that tests can control.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::{
    model::{AckLevel, Address, MessageId, PhoneNumber, Recipient},
    whatsapp::{
        Call, Found, PageChannel, PageError, PageSend, PageSending, Stored, fake::Unanswered,
    },
};

/// WhatsApp as the outbox sees it. It outlives the gateways of a test.
#[derive(Debug, Default)]
pub(super) struct FakeWhatsApp {
    /// Ids that the page's database knows, with the number of times they were transmitted.
    pub(super) known: Mutex<HashMap<MessageId, u32>>,
    pub(super) looked_up: Mutex<u32>,
    pub(super) asked: Mutex<u32>,
    /// When the page dies, if it does: before or after it stores a message.
    pub(super) dies: Mutex<Option<Death>>,
    pub(super) unknown_number: bool,
    /// Ids in the order in which the page got them.
    pub(super) order: Mutex<Vec<MessageId>>,
    /// Numbers whose look-up fails.
    pub(super) lookups_fail: Mutex<HashSet<String>>,
    /// Numbers that the page has a chat with.
    pub(super) established: HashSet<String>,
    /// The chats that were shown the typing indicator, and for how long.
    pub(super) typed: Mutex<Vec<(String, Duration)>>,
    /// Whether questions about messages fail.
    pub(super) mute: AtomicBool,
    /// The requests that it got, in order.
    pub(super) got: Mutex<Vec<PageSend>>,
    /// Groups that this account is in.
    pub(super) groups: HashSet<String>,
    /// Messages whose preview was asked for.
    pub(super) previews: Mutex<Vec<MessageId>>,
    /// While set, previews wait for `phone_on`.
    pub(super) phone_off: AtomicBool,
    pub(super) phone_on: Notify,
    /// Whether it never answers questions about messages.
    pub(super) hangs: bool,
    /// Whether it answers that it knows no message.
    pub(super) keeps_to_itself: bool,
    /// Whether the server has acknowledged none of its messages.
    pub(super) unsent: AtomicBool,
    /// The error with which it refuses the next message.
    pub(super) refuses: Mutex<Option<PageError>>,
    pub(super) unanswered: Unanswered,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Death {
    BeforeStoring,
    AfterStoring,
}

pub(super) fn gone() -> PageError {
    PageError::Gone {
        what: "test",
        reason: "the page died".into(),
    }
}

pub(super) fn chat() -> Address {
    Address {
        chat: "77@lid".into(),
        pn: Some("4915123456789@c.us".into()),
        lid: Some("77@lid".into()),
    }
}

#[async_trait]
impl PageChannel for FakeWhatsApp {
    async fn call(&self, call: Call) -> Result<serde_json::Value, PageError> {
        self.unanswered.refuse(&call)
    }
}

#[async_trait]
impl PageSending for FakeWhatsApp {
    async fn resolve(&self, number: &PhoneNumber) -> Result<Option<Address>, PageError> {
        if self
            .lookups_fail
            .lock()
            .expect("lock")
            .contains(number.digits())
        {
            return Err(gone());
        }
        *self.looked_up.lock().expect("lock") += 1;
        let address = if number.digits() == "4915123456789" {
            chat()
        } else {
            Address::of_number(number)
        };
        Ok((!self.unknown_number).then_some(address))
    }
    async fn address(&self, chat: &str) -> Result<Address, PageError> {
        let known = Address {
            chat: chat.into(),
            ..self::chat()
        };
        Ok(if chat == "77@lid" {
            known
        } else {
            Address { pn: None, ..known }
        })
    }
    async fn established(&self, recipients: &[Recipient]) -> Result<Vec<Recipient>, PageError> {
        Ok(recipients
            .iter()
            .filter(|recipient| self.established.contains(&recipient.to_string()))
            .cloned()
            .collect())
    }
    async fn typing(&self, chat: &str, how_long: Duration) -> Result<(), PageError> {
        self.typed
            .lock()
            .expect("lock")
            .push((chat.to_owned(), how_long));
        Err(gone())
    }
    async fn preview(&self, send: &PageSend) -> Result<(), PageError> {
        self.previews.lock().expect("lock").push(send.id.clone());
        if self.phone_off.load(Ordering::Relaxed) {
            self.phone_on.notified().await;
        }
        Ok(())
    }
    async fn send(&self, send: &PageSend) -> Result<Stored, PageError> {
        self.got.lock().expect("lock").push(send.clone());
        if let Some(error) = self.refuses.lock().expect("lock").take() {
            return Err(error);
        }
        if send.chat.ends_with("@g.us") && !self.groups.contains(&send.chat) {
            return Err(PageError::NoSuchChat);
        }
        if let Some(target) = send
            .reply_to
            .as_ref()
            .filter(|target| !self.known.lock().expect("lock").contains_key(target))
        {
            return Err(PageError::QuoteNotFound {
                reason: format!("there is no {target} in this chat"),
            });
        }
        let dies = *self.dies.lock().expect("lock");
        if dies == Some(Death::BeforeStoring) {
            return Err(gone());
        }
        let mut known = self.known.lock().expect("lock");
        let duplicate = known.contains_key(&send.id);
        if !duplicate {
            known.insert(send.id.clone(), 1);
            self.order.lock().expect("lock").push(send.id.clone());
        }
        if dies == Some(Death::AfterStoring) {
            return Err(gone());
        }
        Ok(Stored {
            address: chat(),
            key: format!("true_77@lid_{}", send.id),
            duplicate,
        })
    }
    async fn find(&self, id: &MessageId, _: &str) -> Result<Option<Found>, PageError> {
        *self.asked.lock().expect("lock") += 1;
        if self.hangs {
            std::future::pending::<()>().await;
        }
        if self.keeps_to_itself {
            return Ok(None);
        }
        if self.mute.load(Ordering::Relaxed) {
            return Err(gone());
        }
        let known = self.known.lock().expect("lock").contains_key(id);
        Ok(known.then(|| Found {
            address: chat(),
            key: format!("true_77@lid_{id}"),
            ack: (!self.unsent.load(Ordering::Relaxed)).then_some(AckLevel::Server),
            failed: false,
        }))
    }
    async fn resend(&self, id: &MessageId, _: &str) -> Result<(), PageError> {
        *self
            .known
            .lock()
            .expect("lock")
            .entry(id.clone())
            .or_default() += 1;
        Ok(())
    }
}
