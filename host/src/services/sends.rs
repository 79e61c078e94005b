//! Sending: a call becomes an accepted message, and an answer as far as its caller wants to wait.

use std::{fmt::Debug, sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{registry::Registry, view::Restricted};
use crate::{
    model::{ClientId, MessageId, Outcome, Priority, Recipient, SessionState, Timestamp},
    outbox::{
        AcceptError, Accepted, HeldBack, Idempotency, Outbox, OutboxRow, Requested, SendRequest,
        StoreError, Until,
    },
    session::Snapshot,
};

/// A send, as a caller wants it.
#[derive(Debug, Clone)]
pub struct SendCall {
    /// By which session.
    pub client: ClientId,
    /// To whom.
    pub to: Recipient,
    /// What.
    pub content: Requested,
    /// Bare id of the message it answers.
    pub reply_to: Option<MessageId>,
    /// When; none: now.
    pub send_at: Option<Timestamp>,
    /// Not to be begun after.
    pub expires_at: Option<Timestamp>,
    /// What goes first.
    pub priority: Priority,
    /// Free-form pairs of the caller.
    pub metadata: Vec<(String, String)>,
    /// So that a retry is not a second message.
    pub idempotency: Option<Idempotency>,
    /// When to answer.
    pub until: Until,
}

/// What became of it.
#[derive(Debug, Clone)]
pub enum SendReply {
    /// It has an outcome.
    Done(Box<OutboxRow>, Outcome),
    /// It is accepted, and as far as the call wanted to wait.
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
    /// It could not begin now, and the operator does not let callers wait.
    #[error("{}", .0.reason)]
    HeldBack(HeldBack),
    /// Template, plugin, key or database.
    #[error(transparent)]
    Refused(#[from] AcceptError),
}

/// Accepts messages.
#[async_trait]
pub trait Sends: Send + Sync + Debug + 'static {
    /// The answer to a send that was accepted under that key before; none: the key is new. `until`
    /// is what its caller wants to know.
    async fn repeated(
        &self,
        key: &Idempotency,
        until: Until,
    ) -> Result<Option<SendReply>, SendFailure>;

    /// Accepts a send, and waits for its outcome unless told otherwise.
    async fn send(&self, call: SendCall) -> Result<SendReply, SendFailure>;
}

/// Sends through the outbox.
#[derive(Debug)]
pub struct OutboxSends {
    registry: Arc<Registry>,
    outbox: Outbox,
    /// How long a call waits for the outcome of its send.
    timeout: Duration,
}

impl OutboxSends {
    /// By the sessions of `registry`; a call waits for `timeout`.
    #[must_use]
    pub fn new(registry: Arc<Registry>, outbox: Outbox, timeout: Duration) -> Self {
        Self {
            registry,
            outbox,
            timeout,
        }
    }

    /// What becomes of an accepted send, as far as its caller wants to wait.
    async fn reply(
        &self,
        accepted: Result<Accepted, AcceptError>,
        until: Until,
    ) -> Result<SendReply, SendFailure> {
        let accepted = match accepted {
            // Who does not wait for the outcome is told of the same send again.
            Err(AcceptError::InFlight(id)) if until == Until::Accepted => {
                self.outbox.accepted(&id).await?
            }
            accepted => accepted?,
        };
        if until == Until::Accepted {
            return Ok(SendReply::Accepted(accepted));
        }
        let limit = if accepted.known {
            Duration::ZERO
        } else {
            self.timeout
        };
        let done = self
            .outbox
            .wait(&accepted.id, until, limit)
            .await
            .map_err(AcceptError::from)?;
        let gone = || AcceptError::Store(StoreError::Corrupt(format!("the send {}", accepted.id)));
        let (row, outcome) = done.ok_or_else(gone)?;
        Ok(match outcome {
            Some(outcome) => SendReply::Done(Box::new(row), outcome),
            None => SendReply::Accepted(Accepted {
                state: row.state,
                ..accepted
            }),
        })
    }

    /// Why a send that somebody waits for cannot begin now.
    async fn refused_now(
        &self,
        call: &SendCall,
        now: Snapshot,
    ) -> Result<Option<SendFailure>, AcceptError> {
        if now.state != SessionState::Ready {
            return Ok(Some(SendFailure::NotReady {
                state: now.state,
                reason: now.reason,
            }));
        }
        Ok(self
            .outbox
            .held_back(&call.client, &call.to)
            .await?
            .map(SendFailure::HeldBack))
    }
}

#[async_trait]
impl Sends for OutboxSends {
    async fn repeated(
        &self,
        key: &Idempotency,
        until: Until,
    ) -> Result<Option<SendReply>, SendFailure> {
        match self.outbox.repeated(key).await.transpose() {
            Some(known) => self.reply(known, until).await.map(Some),
            None => Ok(None),
        }
    }

    async fn send(&self, call: SendCall) -> Result<SendReply, SendFailure> {
        let handle = self
            .registry
            .get(&call.client)
            .ok_or_else(|| SendFailure::UnknownClient(call.client.clone()))?;
        let now = handle.snapshot().borrow().clone();
        if call.until != Until::Accepted
            && let Some(failure) = self.refused_now(&call, now).await?
        {
            return Err(failure);
        }
        let request = SendRequest {
            client: call.client,
            to: call.to,
            content: call.content,
            reply_to: call.reply_to,
            send_at: call.send_at,
            expires_at: call.expires_at,
            priority: call.priority,
            metadata: call.metadata,
            idempotency: call.idempotency,
        };
        self.reply(self.outbox.accept(request).await, call.until)
            .await
    }
}

#[async_trait]
impl Sends for Restricted<dyn Sends> {
    /// A key's scope is the API key itself, so nobody finds what another one sent.
    async fn repeated(
        &self,
        key: &Idempotency,
        until: Until,
    ) -> Result<Option<SendReply>, SendFailure> {
        self.whole.repeated(key, until).await
    }

    async fn send(&self, call: SendCall) -> Result<SendReply, SendFailure> {
        if !self.view.sees(&call.client) {
            return Err(SendFailure::UnknownClient(call.client));
        }
        self.whole.send(call).await
    }
}
