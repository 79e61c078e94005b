//! What handlers need of the gateway. Implemented by the composition root.

use std::fmt::Debug;

use async_trait::async_trait;
use serde_json::Value;

use crate::{
    model::{ClientId, Outcome, PhoneNumber, SessionState},
    outbox::{AcceptError, Accepted, Idempotency, OutboxId, OutboxRow, Requested},
    session::{Cleanup, Snapshot},
};

/// The gateway, as the API sees it.
#[async_trait]
pub trait Core: Send + Sync + Debug + 'static {
    /// The client id of calls that name none.
    fn default_client(&self) -> &ClientId;

    /// The calling code that completes national numbers.
    fn national_prefix(&self) -> Option<&'static str>;

    /// A session now; none: there is no such session.
    fn session(&self, client: &ClientId) -> Option<Snapshot>;

    /// Everything that is known of a session, as a JSON object.
    async fn session_info(&self, client: &ClientId) -> Result<Value, String>;

    /// Accepts a send, and waits for its outcome unless told otherwise.
    async fn send(&self, call: SendCall) -> Result<SendReply, SendFailure>;

    /// An accepted send.
    async fn message(&self, id: &OutboxId) -> Result<Option<OutboxRow>, String>;

    /// Starts a session anew, from whatever state. False: there is no such session.
    fn reconnect(&self, client: &ClientId) -> bool;

    /// Cleans the session directory, or only says what would be done.
    async fn cleanup(&self, dry_run: bool) -> Result<Cleanup, String>;

    /// Metrics in the Prometheus text format.
    fn metrics(&self) -> String;

    /// Why the gateway cannot serve now; empty: it can.
    async fn problems(&self) -> Vec<String>;
}

/// A send, as a caller wants it.
#[derive(Debug, Clone)]
pub struct SendCall {
    /// By which session.
    pub client: ClientId,
    /// To whom.
    pub number: PhoneNumber,
    /// What.
    pub content: Requested,
    /// So that a retry is not a second message.
    pub idempotency: Option<Idempotency>,
    /// Answer at the commit.
    pub respond_async: bool,
}

/// What became of it.
#[derive(Debug, Clone)]
pub enum SendReply {
    /// It has an outcome.
    Done(Box<OutboxRow>, Outcome),
    /// It is accepted.
    Accepted(Accepted),
}

/// Why it was not accepted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SendFailure {
    /// There is no such session.
    #[error("there is no session {0}")]
    UnknownClient(ClientId),
    /// The session cannot send now.
    #[error("the session is {state}: {reason}")]
    NotReady {
        /// Where it stands.
        state: SessionState,
        /// Why.
        reason: String,
    },
    /// Template, plugin, key or database.
    #[error(transparent)]
    Refused(#[from] AcceptError),
}
