//! Where a session's news goes. Implemented by the composition root, so that this room depends on
//! neither the event log nor the outbox.

use std::{fmt::Debug, time::Duration};

use async_trait::async_trait;

use super::handle::HealthNote;
use crate::{
    model::{Account, ClientId, Event, InboundMessage, Restriction, Timestamp, Transition},
    whatsapp::{SendNews, TimeLock},
};

/// A message that arrived or was typed on the phone.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrival {
    /// The message.
    pub message: InboundMessage,
    /// It was found later.
    pub missed: bool,
}

/// What the journal knows could not be read now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unread;

/// Takes a session's news. The calls return when the news is durable; a failure is the journal's to
/// report.
#[async_trait]
pub trait Journal: Send + Sync + Debug {
    /// The state changed. `linked`: the profile holds a login.
    async fn entered(&self, transition: &Transition, account: Option<&Account>, linked: bool);

    /// A QR can be scanned. Its text is a credential.
    async fn qr(&self, client: &ClientId, code: &str, expires_at: Timestamp, attempt: u32);

    /// A code can be typed on the phone. It is a credential.
    async fn pairing_code(
        &self,
        client: &ClientId,
        code: &str,
        expires_at: Timestamp,
        attempt: u32,
    );

    /// An event with a payload of its own: a step of a passkey ceremony, a fault of the bridge,
    /// changed notices.
    async fn report(&self, client: &ClientId, account: Option<&Account>, event: Event);

    /// Messages arrived or were typed on the phone, in this order. One that was told before is not
    /// told again. False: not all could be recorded.
    async fn messages(
        &self,
        client: &ClientId,
        account: Option<&Account>,
        messages: Vec<Arrival>,
    ) -> bool;

    /// The last moment at which every message of the account was told. None: it was never ready
    /// here.
    ///
    /// # Errors
    /// When that cannot be read now: it is not known what was told.
    async fn told_until(
        &self,
        client: &ClientId,
        account: &Account,
    ) -> Result<Option<Timestamp>, Unread>;

    /// Every message that arrived before `at` was told.
    async fn all_told(&self, client: &ClientId, account: &Account, at: Timestamp);

    /// News of own messages, in order.
    async fn send_news(&self, client: &ClientId, account: Option<&Account>, news: Vec<SendNews>);

    /// Whether somebody waits for the outcome of a send.
    fn outcome_awaited(&self) -> bool;

    /// What the page says of the time lock: whether it lets the account write to nobody new.
    async fn time_lock(&self, client: &ClientId, account: Option<&Account>, lock: Option<TimeLock>);

    /// Whose account the session is, whenever that is news; none: it has a new login, and nobody
    /// knows whose. When this returns, nothing that was accepted for another account can leave.
    /// False: it could not be recorded.
    async fn account(&self, client: &ClientId, account: Option<&Account>) -> bool;

    /// How many messages are held because they were accepted for another account.
    async fn held(&self, client: &ClientId) -> u64;

    /// What WhatsApp does not let the account do.
    async fn restrictions(&self, client: &ClientId) -> Vec<Restriction>;

    /// Sends that were begun more than `age` ago and have no acknowledgement.
    async fn unacknowledged(&self, client: &ClientId, age: Duration) -> u64;

    /// The outcome of a health check.
    async fn health(&self, client: &ClientId, note: &HealthNote);
}
