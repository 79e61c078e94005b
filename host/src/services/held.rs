//! Held messages: they were accepted for a previous account of their session and wait for a
//! decision.

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

/// What can be done with held messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeldAction {
    /// The session's present account sends them.
    Release,
    /// They are cancelled.
    Cancel,
}

/// Held messages, as API callers see them.
#[async_trait]
pub trait HeldMessages: Send + Sync + Debug + 'static {
    /// The number of held messages.
    async fn get(&self, client: &ClientId) -> Result<Held, SessionFailure>;

    /// Releases or cancels them, and returns their number.
    async fn change(&self, client: &ClientId, action: HeldAction) -> Result<Held, SessionFailure>;
}

/// The held messages of the outbox.
#[derive(Debug)]
pub struct OutboxHeld {
    registry: Arc<Registry>,
    outbox: Outbox,
}

impl OutboxHeld {
    /// Held messages of the sessions in `registry`.
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
