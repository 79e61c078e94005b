//! Whether a session may send: pausing it, and lifting what WhatsApp restricts.

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

/// The sending of sessions, as callers see it.
#[async_trait]
pub trait SendingControl: Send + Sync + Debug + 'static {
    /// Whether a session may send, and what WhatsApp does not let it do.
    async fn get(&self, client: &ClientId) -> Result<(Sending, Vec<Restriction>), SessionFailure>;

    /// Pauses the sends of a session, or lets them go on.
    async fn pause(&self, client: &ClientId, pause: bool) -> Result<(), SessionFailure>;

    /// Lets a session write to strangers again, whatever WhatsApp has said.
    async fn lift(&self, client: &ClientId) -> Result<(), SessionFailure>;
}

/// The sending of the outbox.
#[derive(Debug)]
pub struct OutboxSending {
    registry: Arc<Registry>,
    outbox: Outbox,
}

impl OutboxSending {
    /// By the sessions of `registry`.
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
