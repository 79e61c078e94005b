//! Sessions: creates, shows, controls and deletes them.

use std::{fmt::Debug, sync::Arc};

use async_trait::async_trait;
use serde_json::Value;

use super::{
    registry::{Registry, SessionAction, SessionFailure},
    view::Restricted,
};
use crate::{
    config,
    model::{ClientId, Timestamp, Transition},
    session::{self, Cleanup, ProfileFacts, ProfileFate, Snapshot},
    store::Store,
    whatsapp::BrowserReport,
};

/// The most transitions, and the most health checks, of a [`SessionInfo`].
const SHOWN: u32 = 20;

/// All information about a session.
#[derive(Debug, Clone)]
pub struct SessionInfo {
    /// Its present state.
    pub now: Snapshot,
    /// The last state transitions, newest first.
    pub transitions: Vec<Transition>,
    /// The last health checks, newest first.
    pub health: Vec<HealthCheck>,
    /// Its browser; none while it has none.
    pub browser: Option<BrowserReport>,
    /// Its profile folder.
    pub profile: ProfileFacts,
    /// The number of failed attempts after which it gives up.
    pub max_attempts: u32,
}

/// The outcome of one health check.
#[derive(Debug, Clone)]
pub struct HealthCheck {
    /// When the check ended.
    pub at: Timestamp,
    /// Whether everything responded and was as expected.
    pub ok: bool,
    /// The findings: a JSON object.
    pub detail: Value,
}

/// Sessions, as API callers see them.
#[async_trait]
pub trait Sessions: Send + Sync + Debug + 'static {
    /// The present state of a session; none when it does not exist.
    fn get(&self, client: &ClientId) -> Option<Snapshot>;

    /// The present state of every session, ordered by id.
    fn all(&self) -> Vec<(ClientId, Snapshot)>;

    /// All information about a session.
    async fn info(&self, client: &ClientId) -> Result<SessionInfo, SessionFailure>;

    /// Creates a session, which exists until it is deleted.
    async fn create(
        &self,
        client: ClientId,
        start: bool,
        metadata: Vec<(String, String)>,
    ) -> Result<(), SessionFailure>;

    /// Controls a session. Whether it shall run is remembered across restarts.
    async fn control(&self, client: &ClientId, action: SessionAction)
    -> Result<(), SessionFailure>;

    /// Deletes a session that was created through the API.
    async fn delete(&self, client: &ClientId, fate: ProfileFate)
    -> Result<Cleanup, SessionFailure>;
}

/// The sessions of this gateway.
#[derive(Debug)]
pub struct RegistrySessions {
    settings: config::Sessions,
    registry: Arc<Registry>,
    store: Store,
}

impl RegistrySessions {
    /// The sessions in `registry`, whose history is in `store`.
    #[must_use]
    pub fn new(settings: config::Sessions, registry: Arc<Registry>, store: Store) -> Self {
        Self {
            settings,
            registry,
            store,
        }
    }
}

#[async_trait]
impl Sessions for RegistrySessions {
    fn get(&self, client: &ClientId) -> Option<Snapshot> {
        self.registry
            .get(client)
            .map(|handle| handle.snapshot().borrow().clone())
    }

    fn all(&self) -> Vec<(ClientId, Snapshot)> {
        self.registry
            .all()
            .iter()
            .map(|handle| (handle.client().clone(), handle.snapshot().borrow().clone()))
            .collect()
    }

    async fn info(&self, client: &ClientId) -> Result<SessionInfo, SessionFailure> {
        let handle = self.registry.known(client)?;
        let transitions = self.store.transitions(client, SHOWN).await?;
        let health = self.store.health(client, SHOWN).await?;
        let browser = handle.browser().await;
        let (root, owner) = (self.settings.path.clone(), client.clone());
        let profile = tokio::task::spawn_blocking(move || session::facts(&root, &owner)).await;
        let profile = profile.map_err(|error| SessionFailure::Failed(error.to_string()))?;
        let now = handle.snapshot().borrow().clone();
        let check = |row: crate::store::HealthRow| HealthCheck {
            at: row.at,
            ok: row.ok,
            detail: serde_json::from_str(&row.detail).unwrap_or_default(),
        };
        let health = health.into_iter().map(check).collect();
        Ok(SessionInfo {
            now,
            transitions,
            health,
            browser,
            profile,
            max_attempts: self.settings.max_attempts,
        })
    }

    async fn create(
        &self,
        client: ClientId,
        start: bool,
        metadata: Vec<(String, String)>,
    ) -> Result<(), SessionFailure> {
        self.registry.create(client, start, metadata).await
    }

    async fn control(
        &self,
        client: &ClientId,
        action: SessionAction,
    ) -> Result<(), SessionFailure> {
        self.registry.control(client, action).await
    }

    async fn delete(
        &self,
        client: &ClientId,
        fate: ProfileFate,
    ) -> Result<Cleanup, SessionFailure> {
        self.registry.delete(client, fate).await
    }
}

#[async_trait]
impl Sessions for Restricted<dyn Sessions> {
    fn get(&self, client: &ClientId) -> Option<Snapshot> {
        self.whole
            .get(client)
            .filter(|_| self.view.sees(client))
            .map(|now| self.view.shown(now))
    }

    fn all(&self) -> Vec<(ClientId, Snapshot)> {
        let all = self
            .whole
            .all()
            .into_iter()
            .filter(|(client, _)| self.view.sees(client));
        all.map(|(client, now)| (client, self.view.shown(now)))
            .collect()
    }

    async fn info(&self, client: &ClientId) -> Result<SessionInfo, SessionFailure> {
        self.view.session(client)?;
        let info = self.whole.info(client).await?;
        Ok(SessionInfo {
            now: self.view.shown(info.now),
            ..info
        })
    }

    async fn create(
        &self,
        client: ClientId,
        start: bool,
        metadata: Vec<(String, String)>,
    ) -> Result<(), SessionFailure> {
        self.view.session(&client)?;
        self.whole.create(client, start, metadata).await
    }

    async fn control(
        &self,
        client: &ClientId,
        action: SessionAction,
    ) -> Result<(), SessionFailure> {
        self.view.session(client)?;
        self.whole.control(client, action).await
    }

    async fn delete(
        &self,
        client: &ClientId,
        fate: ProfileFate,
    ) -> Result<Cleanup, SessionFailure> {
        self.view.session(client)?;
        self.whole.delete(client, fate).await
    }
}
