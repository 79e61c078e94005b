//! The sessions of this gateway: those of the configuration and those made through the API, made, told and taken away
//! while it runs.
//!
//! What people want (run or rest) is written down before it is done, so a restart does what was wanted last.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use tokio::{
    sync::{Mutex, Semaphore},
    task::JoinHandle,
};
use tracing::{info, warn};

use super::{journal::GatewayJournal, terminal};
use crate::{
    api::{HelperAddress, SessionAction, SessionFailure},
    config::Config,
    model::ClientId,
    outbox::Outbox,
    plugins::PluginHost,
    session::{self, Cleanup, Command, Limits, Parts, ProfileFate, SessionHandle, machine::Rules},
    store::{SessionWish, Store, StoreError},
    whatsapp::ChromiumLauncher,
};

/// Sessions that start at the same time: more of them only slow each other down.
const STARTS: usize = 2;

#[derive(Debug)]
pub(super) struct Sessions {
    config: Arc<Config>,
    store: Store,
    outbox: Outbox,
    plugins: Arc<PluginHost>,
    launcher: Arc<ChromiumLauncher>,
    journal: Arc<GatewayJournal>,
    starts: Arc<Semaphore>,
    helper: HelperAddress,
    running: RwLock<BTreeMap<ClientId, Running>>,
    /// Making and taking away go one after the other.
    changing: Mutex<()>,
}

#[derive(Debug)]
struct Running {
    handle: SessionHandle,
    /// End by themselves when the supervisor does.
    tasks: [JoinHandle<()>; 2],
}

impl Sessions {
    pub(super) fn new(
        config: Arc<Config>,
        store: Store,
        outbox: Outbox,
        plugins: Arc<PluginHost>,
        launcher: ChromiumLauncher,
        journal: GatewayJournal,
        helper: HelperAddress,
    ) -> Self {
        Self {
            config,
            store,
            outbox,
            plugins,
            launcher: Arc::new(launcher),
            journal: Arc::new(journal),
            starts: Arc::new(Semaphore::new(STARTS)),
            helper,
            running: RwLock::default(),
            changing: Mutex::default(),
        }
    }

    /// Brings up those of the configuration and those that were made before.
    pub(super) async fn restore(&self) -> Result<(), StoreError> {
        let mut wishes: BTreeMap<ClientId, SessionWish> =
            self.store.session_wishes().await?.into_iter().map(|wish| (wish.client.clone(), wish)).collect();
        let named = self.config.sessions.session.keys().chain([&self.config.sessions.default_client]);
        let mut wanted: BTreeMap<ClientId, bool> = named.map(|client| (client.clone(), wishes.get(client).is_none_or(|wish| wish.wanted))).collect();
        // A wish for a session that the configuration no longer names has nothing to be about.
        wishes.retain(|client, wish| wish.made && !wanted.contains_key(client));
        for (client, wish) in wishes {
            self.plugins.set_metadata(client.clone(), wish.metadata);
            wanted.insert(client, wish.wanted);
        }
        for (client, session) in &self.config.sessions.session {
            self.plugins.set_metadata(client.clone(), session.metadata.clone().into_iter().collect());
        }
        // Made before that was refused; a login is never lost for its name.
        if let Some((one, other)) = ClientId::differ_in_case_only(&wanted.keys().collect::<Vec<_>>()) {
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
            launcher: Arc::<ChromiumLauncher>::clone(&self.launcher),
            journal: Arc::<GatewayJournal>::clone(&self.journal),
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
        let tasks = [self.outbox.attach(client.clone(), handle.ready_page()), terminal::show(&handle, self.helper.clone())];
        self.running.write().unwrap_or_else(PoisonError::into_inner).insert(client.clone(), Running { handle, tasks });
        Ok(())
    }

    pub(super) fn get(&self, client: &ClientId) -> Option<SessionHandle> {
        self.running.read().unwrap_or_else(PoisonError::into_inner).get(client).map(|running| running.handle.clone())
    }

    pub(super) fn all(&self) -> Vec<SessionHandle> {
        self.running.read().unwrap_or_else(PoisonError::into_inner).values().map(|running| running.handle.clone()).collect()
    }

    /// Ends what sessions had begun that are not there any more, once it is old.
    pub(super) async fn give_up_strays(&self) -> Result<u64, StoreError> {
        let there: Vec<ClientId> = self.all().iter().map(|handle| handle.client().clone()).collect();
        self.outbox.give_up_strays(&there).await
    }

    /// Whether the session exists by the configuration.
    pub(super) fn is_named(&self, client: &ClientId) -> bool {
        *client == self.config.sessions.default_client || self.config.sessions.session.contains_key(client)
    }

    pub(super) async fn create(&self, client: ClientId, start: bool, metadata: Vec<(String, String)>) -> Result<(), SessionFailure> {
        let _turn = self.changing.lock().await;
        // Their profiles would be one folder where the file system does not tell case.
        if let Some(there) = self.all().iter().find(|there| there.client().is_taken_for(&client)) {
            return Err(SessionFailure::Exists(there.client().clone()));
        }
        if self.store.session(&client).await?.is_none() {
            // Whatever an earlier one of that name has left behind is not this one's.
            self.outbox.login_ended(&client, "the session was made anew before WhatsApp acknowledged it").await?;
            self.store.begin_anew(&client).await?;
        }
        let wish = SessionWish { client: client.clone(), wanted: start, made: true, metadata: metadata.clone() };
        self.store.wish_session(wish).await?;
        self.plugins.set_metadata(client.clone(), metadata);
        self.spawn(&client, start).await?;
        info!(%client, start, "session made");
        Ok(())
    }

    pub(super) async fn control(&self, client: &ClientId, action: SessionAction) -> Result<(), SessionFailure> {
        let handle = self.get(client).ok_or_else(|| SessionFailure::Unknown(client.clone()))?;
        let command = match action {
            SessionAction::Logout => return Ok(handle.logout().await?),
            SessionAction::Start => Command::Start,
            SessionAction::Restart => Command::Reconnect,
            SessionAction::Stop => Command::Stop,
        };
        let wish = SessionWish { client: client.clone(), wanted: command != Command::Stop, made: !self.is_named(client), metadata: vec![] };
        self.store.wish_session(wish).await?;
        handle.tell(command).await;
        Ok(())
    }

    pub(super) async fn delete(&self, client: &ClientId, fate: ProfileFate) -> Result<Cleanup, SessionFailure> {
        let _turn = self.changing.lock().await;
        let handle = self.get(client).ok_or_else(|| SessionFailure::Unknown(client.clone()))?;
        if self.is_named(client) {
            return Err(SessionFailure::Named(client.clone()));
        }
        handle.tell(Command::Shutdown).await;
        let gone = self.running.write().unwrap_or_else(PoisonError::into_inner).remove(client);
        for task in gone.into_iter().flat_map(|running| running.tasks) {
            // Ends by itself; waited for, so that nothing is sent any more below.
            let _ = task.await;
        }
        self.outbox.cancel_queued(client, "the session was deleted").await?;
        let (root, owner) = (self.config.sessions.path.clone(), client.clone());
        let done = tokio::task::spawn_blocking(move || session::discard(&root, &owner, fate)).await;
        let done = done.map_err(|error| SessionFailure::Failed(error.to_string()))?;
        // Nobody is asked any more about what it has begun: that is forgotten in its time.
        self.outbox.login_ended(client, "the session was deleted before WhatsApp acknowledged it").await?;
        self.store.forget_session(client).await?;
        info!(%client, ?fate, "session deleted");
        Ok(done)
    }
}
