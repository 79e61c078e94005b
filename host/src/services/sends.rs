//! Sending: a call becomes an accepted message, and an answer as far as its caller wants to wait.

use std::{fmt::Debug, sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{registry::Registry, view::Restricted};
use crate::{
    model::{ClientId, Outcome, SessionState},
    outbox::{
        AcceptError, Accepted, HeldBack, Idempotency, Outbox, OutboxRow, SendRequest, StoreError,
        Until,
    },
    session::Snapshot,
};

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

    /// Accepts a send, and answers as soon as `until` is reached or the time for an answer is over.
    async fn send(&self, request: SendRequest, until: Until) -> Result<SendReply, SendFailure>;
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
        request: &SendRequest,
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
            .held_back(&request.client, &request.to)
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

    async fn send(&self, request: SendRequest, until: Until) -> Result<SendReply, SendFailure> {
        let handle = self
            .registry
            .get(&request.client)
            .ok_or_else(|| SendFailure::UnknownClient(request.client.clone()))?;
        let now = handle.snapshot().borrow().clone();
        if until != Until::Accepted
            && let Some(failure) = self.refused_now(&request, now).await?
        {
            return Err(failure);
        }
        self.reply(self.outbox.accept(request).await, until).await
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

    async fn send(&self, request: SendRequest, until: Until) -> Result<SendReply, SendFailure> {
        if !self.view.sees(&request.client) {
            return Err(SendFailure::UnknownClient(request.client));
        }
        self.whole.send(request, until).await
    }
}
