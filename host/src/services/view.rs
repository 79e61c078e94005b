//! The view of an API key: what it may see, and the services restricted to that.

use std::{collections::BTreeSet, sync::Arc};

use super::registry::SessionFailure;
use crate::{model::ClientId, session::Snapshot};

/// What an API key may see.
#[derive(Debug, Clone)]
pub struct View {
    /// The sessions that exist for it; none means all of them.
    pub sessions: Option<BTreeSet<ClientId>>,
    /// Whether it may see what links a session: QR codes, pairing codes, passkeys.
    pub may_link: bool,
}

impl View {
    /// Whether a session exists for the key.
    #[must_use]
    pub fn sees(&self, client: &ClientId) -> bool {
        self.sessions
            .as_ref()
            .is_none_or(|sessions| sessions.contains(client))
    }

    /// Checks that a session exists for the key.
    ///
    /// # Errors
    /// If it does not.
    pub fn session(&self, client: &ClientId) -> Result<(), SessionFailure> {
        if self.sees(client) {
            Ok(())
        } else {
            Err(SessionFailure::Unknown(client.clone()))
        }
    }

    /// Whether every session exists for the key.
    #[must_use]
    pub fn sees_all(&self) -> bool {
        self.sessions.is_none()
    }

    /// The snapshot of a session as the key may see it: without `may_link`, everything that could
    /// link the session is removed.
    #[must_use]
    pub fn shown(&self, mut now: Snapshot) -> Snapshot {
        if !self.may_link {
            (now.qr, now.pairing) = (None, None);
            now.past_passkeys.clear();
            if let Some(passkey) = &mut now.passkey {
                (passkey.public_key, passkey.code, passkey.token) = (None, None, None);
            }
        }
        now
    }
}

/// A service as a restricted key sees it: other sessions do not exist in it.
#[derive(Debug)]
pub struct Restricted<S: ?Sized> {
    pub(super) whole: Arc<S>,
    pub(super) view: View,
}

impl<S: ?Sized> Restricted<S> {
    pub(super) fn new(whole: &Arc<S>, view: &View) -> Arc<Self> {
        Arc::new(Self {
            whole: Arc::clone(whole),
            view: view.clone(),
        })
    }
}
