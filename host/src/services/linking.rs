//! Linking a session by phone number.

use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;

use super::{registry::Registry, view::Restricted};
use crate::{
    model::{ClientId, PhoneNumber},
    session::{AskError, PairingView, SessionHandle},
};

/// Why there is no pairing code.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum LinkFailure {
    /// There is no such session.
    #[error("there is no session {0}")]
    Unknown(ClientId),
    /// The session or WhatsApp refused.
    #[error(transparent)]
    Pairing(#[from] AskError),
}

/// Pairing codes.
#[async_trait]
pub trait Linking: Send + Sync + Debug + 'static {
    /// A code that links a session when the owner of `number` types it on the phone.
    async fn code(
        &self,
        client: &ClientId,
        number: &PhoneNumber,
    ) -> Result<PairingView, LinkFailure>;

    /// Cancels the code and returns to QR codes.
    async fn cancel(&self, client: &ClientId) -> Result<(), LinkFailure>;
}

/// Pairing codes of the sessions in a registry.
#[derive(Debug)]
pub struct SessionLinking(pub Arc<Registry>);

impl SessionLinking {
    fn session(&self, client: &ClientId) -> Result<SessionHandle, LinkFailure> {
        self.0
            .get(client)
            .ok_or_else(|| LinkFailure::Unknown(client.clone()))
    }
}

#[async_trait]
impl Linking for SessionLinking {
    async fn code(
        &self,
        client: &ClientId,
        number: &PhoneNumber,
    ) -> Result<PairingView, LinkFailure> {
        Ok(self.session(client)?.pairing_code(number).await?)
    }

    async fn cancel(&self, client: &ClientId) -> Result<(), LinkFailure> {
        Ok(self
            .session(client)?
            .cancel_pairing()
            .await
            .map_err(AskError::from)?)
    }
}

#[async_trait]
impl Linking for Restricted<dyn Linking> {
    async fn code(
        &self,
        client: &ClientId,
        number: &PhoneNumber,
    ) -> Result<PairingView, LinkFailure> {
        if self.view.sees(client) {
            self.whole.code(client, number).await
        } else {
            Err(LinkFailure::Unknown(client.clone()))
        }
    }

    async fn cancel(&self, client: &ClientId) -> Result<(), LinkFailure> {
        if self.view.sees(client) {
            self.whole.cancel(client).await
        } else {
            Err(LinkFailure::Unknown(client.clone()))
        }
    }
}
