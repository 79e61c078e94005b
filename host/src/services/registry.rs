//! The sessions of this gateway: those of the configuration and those made through the API, made,
//! told and taken away while it runs.
//!
//! What people want (run or rest) is written down before it is done, so a restart does what was
//! wanted last.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use tokio::{
    sync::{Mutex, Semaphore},
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
    store::{SessionWish, Store, StoreError},
    whatsapp::Launcher,
};

/// Sessions that start at the same time: more of them only slow each other down.
const STARTS: usize = 2;

/// What a session can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionAction {
    /// Run, unless it does.
    Start,
    /// Close the browser and rest.
    Stop,
    /// Close the browser and start anew, forgetting earlier failures.
    Restart,
    /// End the login at WhatsApp.
    Logout,
}

/// Why a session did not do what it was told.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SessionFailure {
    /// There is no such session.
    #[error("there is no session {0}")]
    Unknown(ClientId),
    /// There is one already.
    #[error("there is a session {0} already")]
    Exists(ClientId),
    /// It is not the API's to delete.
    #[error("the session {0} is named in the configuration; remove it there")]
    Named(ClientId),
    /// The login was not ended.
    #[error(transparent)]
    Logout(#[from] LogoutError),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The profile of a session that was to be deleted is still there, and so is the session.
    #[error("{0}")]
    Profile(String),
    /// The system's words.
    #[error("{0}")]
    Failed(String),
}

/// Shows somebody what a session needs, as long as it runs.
type Show = dyn Fn(&SessionHandle) -> JoinHandle<()> + Send + Sync;

/// The sessions that run or rest.
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
    /// Making and taking away go one after the other.
    changing: Mutex<()>,
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
    /// End by themselves when the supervisor does.
    tasks: [JoinHandle<()>; 2],
}

impl Registry {
    /// None yet: see [`Self::restore`]. `show` is called for each session that comes up.
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
            changing: Mutex::default(),
        }
    }

    /// Brings up those of the configuration and those that were made before.
    ///
    /// # Errors
    /// When the database cannot be read.
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
        // A wish for a session that the configuration no longer names has nothing to be about.
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
        // Made before that was refused; a login is never lost for its name.
        if let Some((one, other)) =
            ClientId::differ_in_case_only(&wanted.keys().collect::<Vec<_>>())
        {
            warn!(%one, %other, "two sessions differ in upper and lower case only: move one of them to another name before a file system takes their profiles for one");
        }
        for (client, wanted) in wanted {
            self.spawn(&client, wanted).await?;
        }
        Ok(())
    }

    async fn spawn(&self, client: &ClientId, wanted: bool) -> Result<(), StoreError> {
        let known = self.store.session(client).await?;
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
        Ok(())
    }

    /// A session; none: there is no such session.
    #[must_use]
    pub fn get(&self, client: &ClientId) -> Option<SessionHandle> {
        self.running
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(client)
            .map(|running| running.handle.clone())
    }

    /// A session that has to be there.
    ///
    /// # Errors
    /// When it is not.
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

    /// Ends what sessions had begun that are not there any more, once it is old.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn give_up_strays(&self) -> Result<u64, StoreError> {
        let there: Vec<ClientId> = self
            .all()
            .iter()
            .map(|handle| handle.client().clone())
            .collect();
        self.outbox.give_up_strays(&there).await
    }

    /// Whether the session exists by the configuration.
    fn is_named(&self, client: &ClientId) -> bool {
        *client == self.config.sessions.default_client
            || self.config.sessions.session.contains_key(client)
    }

    /// Makes a session that stays until it is deleted.
    ///
    /// # Errors
    /// When there is one of that name, or the database refuses.
    pub async fn create(
        &self,
        client: ClientId,
        start: bool,
        metadata: Vec<(String, String)>,
    ) -> Result<(), SessionFailure> {
        let _turn = self.changing.lock().await;
        // Their profiles would be one folder where the file system does not tell case.
        if let Some(there) = self
            .all()
            .iter()
            .find(|there| there.client().is_taken_for(&client))
        {
            return Err(SessionFailure::Exists(there.client().clone()));
        }
        if self.store.session(&client).await?.is_none() {
            // Whatever an earlier one of that name has left behind is not this one's.
            self.outbox
                .login_ended(
                    &client,
                    "the session was made anew before WhatsApp acknowledged it",
                )
                .await?;
            self.store.begin_anew(&client).await?;
        }
        let wish = SessionWish {
            client: client.clone(),
            wanted: start,
            made: true,
            metadata: metadata.clone(),
        };
        self.store.wish_session(wish).await?;
        self.plugins.set_metadata(client.clone(), metadata);
        self.spawn(&client, start).await?;
        info!(%client, start, "session made");
        Ok(())
    }

    /// Tells a session something.
    ///
    /// # Errors
    /// When there is none, the login could not be ended, or the database refuses.
    pub async fn control(
        &self,
        client: &ClientId,
        action: SessionAction,
    ) -> Result<(), SessionFailure> {
        let handle = self.known(client)?;
        let command = match action {
            SessionAction::Logout => return Ok(handle.logout().await?),
            SessionAction::Start => Command::Start,
            SessionAction::Restart => Command::Reconnect,
            SessionAction::Stop => Command::Stop,
        };
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

    /// Ends a session that was made through the API.
    ///
    /// # Errors
    /// When there is none, the configuration names it, its profile cannot be taken away, or the
    /// database refuses. In the last two cases the session stays, stopped, and can be deleted
    /// again.
    pub async fn delete(
        &self,
        client: &ClientId,
        fate: ProfileFate,
    ) -> Result<Cleanup, SessionFailure> {
        let _turn = self.changing.lock().await;
        let handle = self.known(client)?;
        if self.is_named(client) {
            return Err(SessionFailure::Named(client.clone()));
        }
        handle.tell(Command::Shutdown).await;
        let gone = self
            .running
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(client);
        for task in gone.into_iter().flat_map(|running| running.tasks) {
            // Ends by itself; waited for, so that nothing is sent any more below.
            let _ = task.await;
        }
        let done = self.forget(client, fate).await;
        match &done {
            Ok(_) => info!(%client, ?fate, "session deleted"),
            Err(_) => {
                if let Err(error) = self.rest(client).await {
                    warn!(%client, %error, "a session that could not be deleted comes back at the next start of the gateway");
                }
            }
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
        // Nobody is asked any more about what it has begun: that is forgotten in its time.
        self.outbox
            .login_ended(
                client,
                "the session was deleted before WhatsApp acknowledged it",
            )
            .await?;
        self.store.forget_session(client).await?;
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
        self.spawn(client, false).await?;
        noted
    }
}
