//! Passkey ceremonies that WhatsApp requires.

use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;

use super::{registry::Registry, view::Restricted};
use crate::{
    model::ClientId,
    session::{PasskeyError, PasskeyView, SessionHandle},
};

/// The public address of helper pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HelperAddress {
    /// The base URL, without a trailing slash.
    pub base: String,
    /// Whether it works only in browsers on this machine, because no other address is configured.
    pub local_only: bool,
}

impl HelperAddress {
    /// The link to one page.
    #[must_use]
    pub fn link(&self, token: &str) -> String {
        format!("{}/passkey/{token}", self.base)
    }
}

/// Why a call about a passkey failed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PasskeyFailure {
    /// There is no such session.
    #[error("there is no session {0}")]
    Unknown(ClientId),
    /// The session, the page or the assertion caused it.
    #[error(transparent)]
    Passkey(#[from] PasskeyError),
}

/// Passkey ceremonies.
#[async_trait]
pub trait Passkeys: Send + Sync + Debug + 'static {
    /// Passes an assertion to the page of a session. It is JSON as a browser creates it.
    async fn answer(
        &self,
        client: &ClientId,
        assertion: &[u8],
    ) -> Result<PasskeyView, PasskeyFailure>;

    /// A person confirms that the phone shows this code.
    async fn confirm(&self, client: &ClientId, code: &str) -> Result<PasskeyView, PasskeyFailure>;

    /// Cancels a ceremony.
    async fn cancel(&self, client: &ClientId) -> Result<(), PasskeyFailure>;
}

/// The ceremonies of the sessions in a registry.
#[derive(Debug)]
pub struct SessionPasskeys(pub Arc<Registry>);

impl SessionPasskeys {
    fn session(&self, client: &ClientId) -> Result<SessionHandle, PasskeyFailure> {
        self.0
            .get(client)
            .ok_or_else(|| PasskeyFailure::Unknown(client.clone()))
    }
}

#[async_trait]
impl Passkeys for SessionPasskeys {
    async fn answer(
        &self,
        client: &ClientId,
        assertion: &[u8],
    ) -> Result<PasskeyView, PasskeyFailure> {
        Ok(self.session(client)?.answer_passkey(assertion).await?)
    }

    async fn confirm(&self, client: &ClientId, code: &str) -> Result<PasskeyView, PasskeyFailure> {
        Ok(self.session(client)?.confirm_passkey(code).await?)
    }

    async fn cancel(&self, client: &ClientId) -> Result<(), PasskeyFailure> {
        Ok(self.session(client)?.cancel_passkey().await?)
    }
}

#[async_trait]
impl Passkeys for Restricted<dyn Passkeys> {
    async fn answer(
        &self,
        client: &ClientId,
        assertion: &[u8],
    ) -> Result<PasskeyView, PasskeyFailure> {
        if self.view.sees(client) {
            self.whole.answer(client, assertion).await
        } else {
            Err(PasskeyFailure::Unknown(client.clone()))
        }
    }

    async fn confirm(&self, client: &ClientId, code: &str) -> Result<PasskeyView, PasskeyFailure> {
        if self.view.sees(client) {
            self.whole.confirm(client, code).await
        } else {
            Err(PasskeyFailure::Unknown(client.clone()))
        }
    }

    async fn cancel(&self, client: &ClientId) -> Result<(), PasskeyFailure> {
        if self.view.sees(client) {
            self.whole.cancel(client).await
        } else {
            Err(PasskeyFailure::Unknown(client.clone()))
        }
    }
}
