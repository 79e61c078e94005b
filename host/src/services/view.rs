//! What an API key may see, and a service as it sees it.

use std::{collections::BTreeSet, sync::Arc};

use super::registry::SessionFailure;
use crate::{model::ClientId, session::Snapshot};

/// What a key may see of the gateway.
#[derive(Debug, Clone)]
pub struct View {
    /// The sessions that exist for it; none: all of them.
    pub sessions: Option<BTreeSet<ClientId>>,
    /// Whether it is shown what links a session: QR codes, pairing codes, passkeys.
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

    /// Lets a call go on that is about a session.
    ///
    /// # Errors
    /// When the session does not exist for the key.
    pub fn session(&self, client: &ClientId) -> Result<(), SessionFailure> {
        if self.sees(client) {
            Ok(())
        } else {
            Err(SessionFailure::Unknown(client.clone()))
        }
    }

    /// Whether every session exists for it.
    #[must_use]
    pub fn sees_all(&self) -> bool {
        self.sessions.is_none()
    }

    /// A session without what would let its reader link it.
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

/// A service as a key sees it that does not see everything: what is of another session is not
/// there.
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
