//! Sending: accepts a message and waits for as much of its outcome as the caller wants.

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

/// The reply to a send.
#[derive(Debug, Clone)]
pub enum SendReply {
    /// The message has an outcome.
    Done(Box<OutboxRow>, Outcome),
    /// The message is accepted, and has reached the stage that the call waits for.
    Accepted(Accepted),
}

/// Why a message was not accepted.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SendFailure {
    /// There is no such session.
    #[error("there is no session {0}")]
    UnknownClient(ClientId),
    /// The session cannot send at the moment.
    #[error("the session is {state}: {reason}")]
    NotReady {
        /// Its state.
        state: SessionState,
        /// The reason for its state.
        reason: String,
    },
    /// The message would have to wait, and the operator does not let callers wait.
    #[error("{}", .0.reason)]
    HeldBack(HeldBack),
    /// The outbox refused it: because of the template, a plugin, the idempotency key or the
    /// database.
    #[error(transparent)]
    Refused(#[from] AcceptError),
}

/// Accepts messages.
#[async_trait]
pub trait Sends: Send + Sync + Debug + 'static {
    /// The reply to a message that was accepted under this key before; none when the key is new.
    /// `until` is the stage to wait for.
    async fn repeated(
        &self,
        key: &Idempotency,
        until: Until,
    ) -> Result<Option<SendReply>, SendFailure>;

    /// Accepts a message, and replies when it has reached the stage `until` or the time limit is
    /// over.
    async fn send(&self, request: SendRequest, until: Until) -> Result<SendReply, SendFailure>;
}

/// Sends through the outbox.
#[derive(Debug)]
pub struct OutboxSends {
    registry: Arc<Registry>,
    outbox: Outbox,
    /// How long a call waits for the outcome of its message.
    timeout: Duration,
}

impl OutboxSends {
    /// Sends by the sessions in `registry`; a call waits for at most `timeout`.
    #[must_use]
    pub fn new(registry: Arc<Registry>, outbox: Outbox, timeout: Duration) -> Self {
        Self {
            registry,
            outbox,
            timeout,
        }
    }

    /// Waits until an accepted message has reached the stage `until`.
    async fn reply(
        &self,
        accepted: Result<Accepted, AcceptError>,
        until: Until,
    ) -> Result<SendReply, SendFailure> {
        let accepted = match accepted {
            // A caller that does not wait for the outcome gets the message that is in progress.
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

    /// Why a message whose caller waits cannot be sent now; none when it can.
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
    /// Idempotency keys are separate for each API key, so no key finds another one's messages.
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
