//! The registry of this gateway's sessions: those of the configuration and those created through
//! the API. It creates, controls and deletes sessions while the gateway runs.
//!
//! Whether a session shall run is stored before it is started or stopped, so a restart restores
//! what was wanted last. Changes are made one after the other, each in a task of its own: a caller
//! that goes away does not leave a session half changed.

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use futures_util::future::join_all;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    task::JoinHandle,
};
use tracing::{info, warn};

use crate::{
    config::Config,
    model::ClientId,
    outbox::Outbox,
    plugins::PluginHost,
    session::{
        self, Cleanup, Command, Journal, Limits, LogoutError, Parts, ProfileFate, SessionHandle,
        machine::Rules,
    },
    store::{SessionRow, SessionWish, Store, StoreError},
    whatsapp::Launcher,
};

/// The number of sessions that start at the same time. More would only slow each other down.
const STARTS: usize = 2;

/// The actions on a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionAction {
    /// Start it unless it is running.
    Start,
    /// Close its browser and leave it stopped.
    Stop,
    /// Close its browser, reset its failure count and start it again.
    Restart,
    /// Log out at WhatsApp.
    Logout,
}

/// Why a session could not be changed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SessionFailure {
    /// There is no such session.
    #[error("there is no session {0}")]
    Unknown(ClientId),
    /// A session with this id exists already, or one whose id differs in case only.
    #[error("there is a session {0} already")]
    Exists(ClientId),
    /// The session is named in the configuration, so the API cannot delete it.
    #[error("the session {0} is named in the configuration; remove it there")]
    Named(ClientId),
    /// The logout failed.
    #[error(transparent)]
    Logout(#[from] LogoutError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The profile of a session that was to be deleted is still there, and so is the session.
    #[error("{0}")]
    Profile(String),
    /// Another failure, with the system's message.
    #[error("{0}")]
    Failed(String),
}

/// Starts a task that shows people what a session needs (a QR code, for instance). It ends with the
/// session.
type Show = dyn Fn(&SessionHandle) -> JoinHandle<()> + Send + Sync;

/// All sessions, running or stopped.
pub struct Registry {
    config: Arc<Config>,
    store: Store,
    outbox: Outbox,
    plugins: Arc<PluginHost>,
    launcher: Arc<dyn Launcher>,
    journal: Arc<dyn Journal>,
    starts: Arc<Semaphore>,
    show: Box<Show>,
    running: RwLock<BTreeMap<ClientId, Running>>,
    /// Serializes creations, controls and deletions. Closed when the gateway stops.
    changing: Semaphore,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("running", &self.running)
            .finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Running {
    handle: SessionHandle,
    /// Tasks that end when the session's supervisor does.
    tasks: [JoinHandle<()>; 2],
}

impl Registry {
    /// A registry without sessions; see [`Self::restore`]. `show` is called for each session that
    /// is added.
    #[must_use]
    pub fn new(
        config: Arc<Config>,
        store: Store,
        outbox: Outbox,
        plugins: Arc<PluginHost>,
        launcher: Arc<dyn Launcher>,
        journal: Arc<dyn Journal>,
        show: Box<Show>,
    ) -> Self {
        Self {
            config,
            store,
            outbox,
            plugins,
            launcher,
            journal,
            starts: Arc::new(Semaphore::new(STARTS)),
            show,
            running: RwLock::default(),
            changing: Semaphore::new(1),
        }
    }

    /// Adds the sessions of the configuration and those that were created through the API.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub async fn restore(&self) -> Result<(), StoreError> {
        let mut wishes: BTreeMap<ClientId, SessionWish> = self
            .store
            .session_wishes()
            .await?
            .into_iter()
            .map(|wish| (wish.client.clone(), wish))
            .collect();
        let named = self
            .config
            .sessions
            .session
            .keys()
            .chain([&self.config.sessions.default_client]);
        let mut wanted: BTreeMap<ClientId, bool> = named
            .map(|client| {
                (
                    client.clone(),
                    wishes.get(client).is_none_or(|wish| wish.wanted),
                )
            })
            .collect();
        // A stored wish counts only for a session of the configuration or one created through the
        // API.
        wishes.retain(|client, wish| wish.made && !wanted.contains_key(client));
        for (client, wish) in wishes {
            self.plugins.set_metadata(client.clone(), wish.metadata);
            wanted.insert(client, wish.wanted);
        }
        for (client, session) in &self.config.sessions.session {
            self.plugins.set_metadata(
                client.clone(),
                session.metadata.clone().into_iter().collect(),
            );
        }
        // Earlier versions did not refuse such names. The sessions are kept, because a login must
        // not be lost because of its name.
        if let Some((one, other)) =
            ClientId::differ_in_case_only(&wanted.keys().collect::<Vec<_>>())
        {
            warn!(%one, %other, "the ids of two sessions differ in case only; rename one of them, because a file system that ignores case would use one profile folder for both");
        }
        for (client, wanted) in wanted {
            let known = self.store.session(&client).await?;
            self.spawn(&client, wanted, known.as_ref());
        }
        Ok(())
    }

    /// Starts the supervisor of a session. `known` is what was last recorded of it.
    fn spawn(&self, client: &ClientId, wanted: bool, known: Option<&SessionRow>) {
        let handle = session::spawn(Parts {
            client: client.clone(),
            launcher: Arc::clone(&self.launcher),
            journal: Arc::clone(&self.journal),
            rules: Rules::new(&self.config.sessions, &self.config.whatsapp),
            health_interval: self.config.sessions.health_interval.duration(),
            limits: Limits {
                memory_soft: self.config.sessions.memory_soft.0,
                memory_hard: self.config.sessions.memory_hard.0,
                ack_watchdog: self.config.sessions.ack_watchdog.duration(),
            },
            starts: Arc::clone(&self.starts),
            linked: known.is_some_and(|row| row.linked),
            wanted,
        });
        let tasks = [
            self.outbox.attach(client.clone(), handle.ready_page()),
            (self.show)(&handle),
        ];
        self.running
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(client.clone(), Running { handle, tasks });
    }

    /// A session; none when it does not exist.
    #[must_use]
    pub fn get(&self, client: &ClientId) -> Option<SessionHandle> {
        self.running
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(client)
            .map(|running| running.handle.clone())
    }

    /// A session that must exist.
    ///
    /// # Errors
    /// If it does not exist.
    pub(super) fn known(&self, client: &ClientId) -> Result<SessionHandle, SessionFailure> {
        self.get(client)
            .ok_or_else(|| SessionFailure::Unknown(client.clone()))
    }

    /// Every session, by client id.
    #[must_use]
    pub fn all(&self) -> Vec<SessionHandle> {
        self.running
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
            .map(|running| running.handle.clone())
            .collect()
    }

    /// Ends old messages that sessions which no longer exist had begun to send, and returns their
    /// number.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn end_orphaned_sends(&self) -> Result<u64, StoreError> {
        let there: Vec<ClientId> = self
            .all()
            .iter()
            .map(|handle| handle.client().clone())
            .collect();
        self.outbox.end_orphaned_sends(&there).await
    }

    /// Waits until no other session is being created, controlled or deleted.
    async fn turn(&self) -> Result<SemaphorePermit<'_>, SessionFailure> {
        let turn = self.changing.acquire().await;
        turn.map_err(|_| SessionFailure::Failed("the gateway is stopping".to_owned()))
    }

    /// Closes the browsers of all sessions cleanly. Afterwards no session can be changed any more.
    pub async fn shut_down(&self) {
        let close = || async {
            let sessions = self.all();
            join_all(sessions.iter().map(|it| it.tell(Command::Shutdown))).await;
        };
        close().await;
        // A change whose caller has gone may still be in progress and start another browser.
        drop(self.changing.acquire().await);
        self.changing.close();
        close().await;
    }

    /// Whether the session was created through the API and is not deleted completely: a deletion
    /// that failed half-way has ended it and may have left its profile and its rows.
    async fn is_stored(&self, client: &ClientId) -> Result<bool, StoreError> {
        let wishes = self.store.session_wishes().await?;
        Ok(wishes
            .iter()
            .any(|wish| wish.made && wish.client == *client))
    }

    /// Whether the configuration names the session.
    fn is_named(&self, client: &ClientId) -> bool {
        *client == self.config.sessions.default_client
            || self.config.sessions.session.contains_key(client)
    }

    /// Creates a session, which exists until it is deleted.
    ///
    /// # Errors
    /// If a session with this id exists already, or the database fails.
    pub async fn create(
        self: &Arc<Self>,
        client: ClientId,
        start: bool,
        metadata: Vec<(String, String)>,
    ) -> Result<(), SessionFailure> {
        let registry = Arc::clone(self);
        to_its_end(async move { registry.create_in_turn(client, start, metadata).await }).await
    }

    async fn create_in_turn(
        &self,
        client: ClientId,
        start: bool,
        metadata: Vec<(String, String)>,
    ) -> Result<(), SessionFailure> {
        let _turn = self.turn().await?;
        // On a file system that ignores case, both profiles would be the same folder.
        if let Some(there) = self
            .all()
            .iter()
            .find(|there| there.client().is_taken_for(&client))
        {
            return Err(SessionFailure::Exists(there.client().clone()));
        }
        if self.is_stored(&client).await? {
            self.remove(&client, ProfileFate::SetAside).await?;
        }
        let known = self.store.session(&client).await?;
        if known.is_none() {
            // Whatever an earlier session with this id has left behind does not belong to this one.
            self.outbox
                .login_ended(
                    &client,
                    "the session was made anew before WhatsApp acknowledged it",
                )
                .await?;
            self.store.begin_anew(&client).await?;
        }
        self.store.make_session(&client, start, &metadata).await?;
        self.plugins.set_metadata(client.clone(), metadata);
        self.spawn(&client, start, known.as_ref());
        info!(%client, start, "session created");
        Ok(())
    }

    /// Controls a session.
    ///
    /// # Errors
    /// If the session does not exist, the logout fails, or the database fails.
    pub async fn control(
        self: &Arc<Self>,
        client: &ClientId,
        action: SessionAction,
    ) -> Result<(), SessionFailure> {
        let command = match action {
            // Stores nothing and may take 20 seconds, so it takes no turn.
            SessionAction::Logout => return Ok(self.known(client)?.logout().await?),
            SessionAction::Start => Command::Start,
            SessionAction::Restart => Command::Reconnect,
            SessionAction::Stop => Command::Stop,
        };
        let (registry, client) = (Arc::clone(self), client.clone());
        to_its_end(async move { registry.control_in_turn(&client, command).await }).await
    }

    async fn control_in_turn(
        &self,
        client: &ClientId,
        command: Command,
    ) -> Result<(), SessionFailure> {
        // A session that is being deleted must not be stored or started again.
        let _turn = self.turn().await?;
        let handle = self.known(client)?;
        let wish = SessionWish {
            client: client.clone(),
            wanted: command != Command::Stop,
            made: !self.is_named(client),
            metadata: vec![],
        };
        self.store.wish_session(wish).await?;
        handle.tell(command).await;
        Ok(())
    }

    /// Deletes a session that was created through the API. A deletion that has failed half-way can
    /// be repeated.
    ///
    /// # Errors
    /// If the session does not exist, the configuration names it, its profile cannot be moved or
    /// deleted, or the database fails. In the last two cases the session stays, stopped, and can be
    /// deleted again.
    pub async fn delete(
        self: &Arc<Self>,
        client: &ClientId,
        fate: ProfileFate,
    ) -> Result<Cleanup, SessionFailure> {
        let (registry, client) = (Arc::clone(self), client.clone());
        to_its_end(async move { registry.delete_in_turn(&client, fate).await }).await
    }

    async fn delete_in_turn(
        &self,
        client: &ClientId,
        fate: ProfileFate,
    ) -> Result<Cleanup, SessionFailure> {
        let _turn = self.turn().await?;
        if self.get(client).is_none() && !self.is_stored(client).await? {
            return Err(SessionFailure::Unknown(client.clone()));
        }
        if self.is_named(client) {
            return Err(SessionFailure::Named(client.clone()));
        }
        let done = self.remove(client, fate).await?;
        info!(%client, ?fate, "session deleted");
        Ok(done)
    }

    /// Ends a session and removes what is stored of it. Each step can be repeated.
    async fn remove(
        &self,
        client: &ClientId,
        fate: ProfileFate,
    ) -> Result<Cleanup, SessionFailure> {
        if let Some(handle) = self.get(client) {
            handle.tell(Command::Shutdown).await;
        }
        let gone = self
            .running
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(client);
        for task in gone.into_iter().flat_map(|running| running.tasks) {
            // Waits for the task to end, so that nothing is sent during the steps below.
            let _ = task.await;
        }
        let done = self.forget(client, fate).await;
        if done.is_err()
            && let Err(error) = self.rest(client).await
        {
            warn!(%client, %error, "a session that could not be deleted comes back at the next start of the gateway");
        }
        done
    }

    /// Takes away what a session has left, the profile first: as long as a login is on the disk,
    /// its session is known.
    async fn forget(
        &self,
        client: &ClientId,
        fate: ProfileFate,
    ) -> Result<Cleanup, SessionFailure> {
        let (root, owner) = (self.config.sessions.path.clone(), client.clone());
        let done = tokio::task::spawn_blocking(move || session::discard(&root, &owner, fate)).await;
        let done = done
            .map_err(|error| SessionFailure::Failed(error.to_string()))?
            .map_err(|error| SessionFailure::Profile(error.to_string()))?;
        self.outbox
            .cancel_queued(client, "the session was deleted")
            .await?;
        // No page can tell the outcome of messages that it had begun to send, so they are ended
        // too.
        self.outbox
            .login_ended(
                client,
                "the session was deleted before WhatsApp acknowledged it",
            )
            .await?;
        self.store.forget_session(client).await?;
        self.plugins.forget_switches(client);
        Ok(done)
    }

    /// Brings a session back that was to be deleted and could not, stopped.
    async fn rest(&self, client: &ClientId) -> Result<(), StoreError> {
        let wish = SessionWish {
            client: client.clone(),
            wanted: false,
            made: true,
            metadata: vec![],
        };
        let noted = self.store.wish_session(wish).await;
        // Without its row the session starts as one without a login, until the row can be read.
        let known = self.store.session(client).await.ok().flatten();
        self.spawn(client, false, known.as_ref());
        noted
    }
}

/// Does work to its end, even if the caller does not wait for it: when a client disconnects, its
/// request is dropped wherever it waits.
async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, SessionFailure>> + Send + 'static,
) -> Result<T, SessionFailure> {
    match tokio::spawn(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            // The API answers it as a panic of the request itself.
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => Err(SessionFailure::Failed(error.to_string())),
        },
    }
}
