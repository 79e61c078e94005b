//! Where a session's news goes. Implemented by the composition root, so that this room depends on neither
//! the event log nor the outbox.

use std::fmt::Debug;

use async_trait::async_trait;

use super::handle::HealthNote;
use crate::{
    model::{Account, ClientId, InboundMessage, Timestamp, Transition},
    whatsapp::SendNews,
};

/// Takes a session's news. The calls return when the news is durable; a failure is the journal's to report.
#[async_trait]
pub trait Journal: Send + Sync + Debug {
    /// The state changed. `linked`: the profile holds a login.
    async fn entered(&self, transition: &Transition, account: Option<&Account>, linked: bool);

    /// A QR can be scanned. Its text is a credential.
    async fn qr(&self, client: &ClientId, code: &str, expires_at: Timestamp, attempt: u32);

    /// A message arrived or was typed on the phone.
    async fn message(&self, client: &ClientId, account: Option<&Account>, message: InboundMessage);

    /// News of an own message.
    async fn send_news(&self, client: &ClientId, account: Option<&Account>, news: SendNews);

    /// The outcome of a health check.
    async fn health(&self, client: &ClientId, note: &HealthNote);
}
