//! The receiver of a session's events. The composition root implements it, so that this module
//! depends on neither the event log nor the outbox.

use std::{fmt::Debug, time::Duration};

use async_trait::async_trait;

use super::handle::HealthNote;
use crate::{
    model::{Account, ClientId, Event, InboundMessage, Restriction, Timestamp, Transition},
    whatsapp::{SendNews, TimeLock},
};

/// A message that arrived or was sent from the phone.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrival {
    /// The message.
    pub message: InboundMessage,
    /// It was found by catching up, after it had arrived.
    pub missed: bool,
}

/// The journal could not read its records now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unread;

/// Records a session's events. Each call returns when the event is durable; the journal itself
/// reports a failure.
#[async_trait]
pub trait Journal: Send + Sync + Debug {
    /// The state changed. `linked`: the profile holds a login.
    async fn entered(&self, transition: &Transition, account: Option<&Account>, linked: bool);

    /// A QR code can be scanned. Its text is a credential.
    async fn qr(&self, client: &ClientId, code: &str, expires_at: Timestamp, attempt: u32);

    /// A pairing code can be typed on the phone. It is a credential.
    async fn pairing_code(
        &self,
        client: &ClientId,
        code: &str,
        expires_at: Timestamp,
        attempt: u32,
    );

    /// An event with a payload of its own: a step of a passkey ceremony, a fault of the bridge, or
    /// changed notices.
    async fn report(&self, client: &ClientId, account: Option<&Account>, event: Event);

    /// Records messages that arrived or were sent from the phone, in this order. A message that was
    /// recorded before is skipped. Returns false if not all could be recorded.
    async fn messages(
        &self,
        client: &ClientId,
        account: Option<&Account>,
        messages: Vec<Arrival>,
    ) -> bool;

    /// The time up to which every message of the account is recorded. `None`: the account was never
    /// ready here.
    ///
    /// # Errors
    /// When the records cannot be read now, so that this time is unknown.
    async fn told_until(
        &self,
        client: &ClientId,
        account: &Account,
    ) -> Result<Option<Timestamp>, Unread>;

    /// Notes that every message that arrived before `at` is recorded.
    async fn all_told(&self, client: &ClientId, account: &Account, at: Timestamp);

    /// Records the progress of messages of this account, in order.
    async fn send_news(&self, client: &ClientId, account: Option<&Account>, news: Vec<SendNews>);

    /// Whether a caller waits for the outcome of a send.
    fn outcome_awaited(&self) -> bool;

    /// Records what the page says about the reach-out time lock, which forbids writing to new
    /// contacts.
    async fn time_lock(&self, client: &ClientId, account: Option<&Account>, lock: Option<TimeLock>);

    /// Records the account of the session whenever it changes; `None`: the session has a new login,
    /// and its account is unknown. When this returns, no message that was accepted for another
    /// account can be sent. Returns false if it could not be recorded.
    async fn account(&self, client: &ClientId, account: Option<&Account>) -> bool;

    /// The number of messages that are held because they were accepted for another account.
    async fn held(&self, client: &ClientId) -> u64;

    /// The restrictions that WhatsApp has put on the account.
    async fn restrictions(&self, client: &ClientId) -> Vec<Restriction>;

    /// The number of sends that were begun more than `age` ago and have no acknowledgement.
    async fn unacknowledged(&self, client: &ClientId, age: Duration) -> u64;

    /// Records the outcome of a health check.
    async fn health(&self, client: &ClientId, note: &HealthNote);
}
