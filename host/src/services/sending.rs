//! Control of a session's sending: pausing, resuming and lifting restrictions.

use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;

use super::{
    registry::{Registry, SessionFailure},
    view::Restricted,
};
use crate::{
    model::{ClientId, Restriction},
    outbox::{Outbox, Sending},
};

/// The sending of sessions, as API callers see it.
#[async_trait]
pub trait SendingControl: Send + Sync + Debug + 'static {
    /// Whether a session may send, and WhatsApp's restrictions of its account.
    async fn get(&self, client: &ClientId) -> Result<(Sending, Vec<Restriction>), SessionFailure>;

    /// Pauses or resumes the sending of a session.
    async fn pause(&self, client: &ClientId, pause: bool) -> Result<(), SessionFailure>;

    /// Lets a session write to new contacts again, whatever WhatsApp has reported.
    async fn lift(&self, client: &ClientId) -> Result<(), SessionFailure>;
}

/// The sending control of the outbox.
#[derive(Debug)]
pub struct OutboxSending {
    registry: Arc<Registry>,
    outbox: Outbox,
}

impl OutboxSending {
    /// Control of the sessions in `registry`.
    #[must_use]
    pub fn new(registry: Arc<Registry>, outbox: Outbox) -> Self {
        Self { registry, outbox }
    }
}

#[async_trait]
impl SendingControl for OutboxSending {
    async fn get(&self, client: &ClientId) -> Result<(Sending, Vec<Restriction>), SessionFailure> {
        self.registry.known(client)?;
        Ok((
            self.outbox.sending(client).await?,
            self.outbox.restrictions(client).await?,
        ))
    }

    async fn pause(&self, client: &ClientId, pause: bool) -> Result<(), SessionFailure> {
        self.registry.known(client)?;
        self.outbox.pause(client, pause).await?;
        Ok(())
    }

    async fn lift(&self, client: &ClientId) -> Result<(), SessionFailure> {
        self.registry.known(client)?;
        Ok(self.outbox.lift(client).await?)
    }
}

#[async_trait]
impl SendingControl for Restricted<dyn SendingControl> {
    async fn get(&self, client: &ClientId) -> Result<(Sending, Vec<Restriction>), SessionFailure> {
        self.view.session(client)?;
        self.whole.get(client).await
    }

    async fn pause(&self, client: &ClientId, pause: bool) -> Result<(), SessionFailure> {
        self.view.session(client)?;
        self.whole.pause(client, pause).await
    }

    async fn lift(&self, client: &ClientId) -> Result<(), SessionFailure> {
        self.view.session(client)?;
        self.whole.lift(client).await
    }
}
