//! What waits to be sent and was accepted for the account that a session had before.

use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;

use super::{
    registry::{Registry, SessionFailure},
    view::Restricted,
};
use crate::{
    model::ClientId,
    outbox::{Held, Outbox},
};

/// What can be done with what was accepted for another account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldAction {
    /// It leaves with the account that the session has now.
    Release,
    /// It does not leave.
    Cancel,
}

/// Held messages, as callers see them.
#[async_trait]
pub trait HeldMessages: Send + Sync + Debug + 'static {
    /// How much is held.
    async fn get(&self, client: &ClientId) -> Result<Held, SessionFailure>;

    /// Releases or cancels it; how much it was.
    async fn change(&self, client: &ClientId, action: HeldAction) -> Result<Held, SessionFailure>;
}

/// What the outbox holds.
#[derive(Debug)]
pub struct OutboxHeld {
    registry: Arc<Registry>,
    outbox: Outbox,
}

impl OutboxHeld {
    /// For the sessions of `registry`.
    #[must_use]
    pub fn new(registry: Arc<Registry>, outbox: Outbox) -> Self {
        Self { registry, outbox }
    }
}

#[async_trait]
impl HeldMessages for OutboxHeld {
    async fn get(&self, client: &ClientId) -> Result<Held, SessionFailure> {
        self.registry.known(client)?;
        Ok(self.outbox.held(client).await?)
    }

    async fn change(&self, client: &ClientId, action: HeldAction) -> Result<Held, SessionFailure> {
        self.registry.known(client)?;
        Ok(match action {
            HeldAction::Release => self.outbox.release_held(client).await?,
            HeldAction::Cancel => self.outbox.cancel_held(client).await?,
        })
    }
}

#[async_trait]
impl HeldMessages for Restricted<dyn HeldMessages> {
    async fn get(&self, client: &ClientId) -> Result<Held, SessionFailure> {
        self.view.session(client)?;
        self.whole.get(client).await
    }

    async fn change(&self, client: &ClientId, action: HeldAction) -> Result<Held, SessionFailure> {
        self.view.session(client)?;
        self.whole.change(client, action).await
    }
}
