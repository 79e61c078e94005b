//! Changes of sessions that are interrupted, fail half-way or meet each other.

use std::{
    fs,
    future::poll_fn,
    path::PathBuf,
    pin::pin,
    task::Poll,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tempfile::TempDir;

use super::*;
use crate::{
    events::Events,
    model::{Account, Event, Restriction, SessionState, Timestamp, Transition},
    session::{Arrival, HealthNote, Unread, profile_dir},
    store::hold,
    whatsapp::{LaunchError, Launched, SendNews, TimeLock},
};

/// A launcher without a browser.
#[derive(Debug)]
struct NoLauncher;

#[async_trait]
impl Launcher for NoLauncher {
    async fn launch(&self, _: &ClientId) -> Result<Launched, LaunchError> {
        Err(LaunchError::NoBrowser("a test has none".into()))
    }
}

/// A journal that records nothing.
#[derive(Debug)]
struct NoJournal;

#[async_trait]
impl Journal for NoJournal {
    async fn entered(&self, _: &Transition, _: Option<&Account>, _: bool) {}
    async fn qr(&self, _: &ClientId, _: &str, _: Timestamp, _: u32) {}
    async fn pairing_code(&self, _: &ClientId, _: &str, _: Timestamp, _: u32) {}
    async fn report(&self, _: &ClientId, _: Option<&Account>, _: Event) {}
    async fn messages(&self, _: &ClientId, _: Option<&Account>, _: Vec<Arrival>) -> bool {
        true
    }
    async fn told_until(&self, _: &ClientId, _: &Account) -> Result<Option<Timestamp>, Unread> {
        Ok(None)
    }
    async fn all_told(&self, _: &ClientId, _: &Account, _: Timestamp) {}
    async fn send_news(&self, _: &ClientId, _: Option<&Account>, _: Vec<SendNews>) {}
    fn outcome_awaited(&self) -> bool {
        false
    }
    async fn time_lock(&self, _: &ClientId, _: Option<&Account>, _: Option<TimeLock>) {}
    async fn account(&self, _: &ClientId, _: Option<&Account>) -> bool {
        true
    }
    async fn held(&self, _: &ClientId) -> u64 {
        0
    }
    async fn restrictions(&self, _: &ClientId) -> Vec<Restriction> {
        vec![]
    }
    async fn unacknowledged(&self, _: &ClientId, _: Duration) -> u64 {
        0
    }
    async fn health(&self, _: &ClientId, _: &HealthNote) {}
}

fn database(dir: &TempDir) -> PathBuf {
    dir.path().join("wharf.db")
}

/// A gateway's registry on this folder, with the sessions that are stored there.
async fn registry(dir: &TempDir) -> Arc<Registry> {
    let mut config: Config = toml::from_str("").expect("a configuration");
    config.sessions.path = dir.path().to_owned();
    config.plugins.dir = dir.path().join("plugins");
    fs::create_dir_all(&config.plugins.dir).expect("a folder");
    let store = Store::open(&database(dir)).await.expect("a store");
    let cache = dir.path().join("cache");
    let plugins = PluginHost::load(
        &config.plugins,
        &config.plugin,
        &cache,
        Arc::new(store.clone()),
        Arc::new(|_: &str| None),
    );
    let plugins = Arc::new(plugins.await.expect("no plugins"));
    let events = Events::new(
        store.clone(),
        Arc::<PluginHost>::clone(&plugins),
        config.delivery.clone(),
    );
    let outbox = Outbox::new(
        store.clone(),
        Arc::<PluginHost>::clone(&plugins),
        events,
        config.send.clone(),
        BTreeMap::new(),
    );
    let registry = Registry::new(
        Arc::new(config),
        store,
        outbox,
        plugins,
        Arc::new(NoLauncher),
        Arc::new(NoJournal),
        Box::new(|_| tokio::spawn(async {})),
    );
    registry.restore().await.expect("restored");
    Arc::new(registry)
}

fn sales() -> ClientId {
    "sales".parse().expect("an id")
}

fn profile(dir: &TempDir) -> PathBuf {
    let profile = profile_dir(dir.path(), &sales());
    fs::create_dir_all(&profile).expect("a folder");
    fs::write(profile.join("login"), "a login").expect("a file");
    profile
}

/// Polls work this many times, and then drops it as hyper drops the request of a client that has
/// disconnected. Returns whether it had ended.
async fn polled<T>(work: impl Future<Output = T>, times: u32) -> bool {
    let mut work = pin!(work);
    for _ in 0..times {
        if poll_fn(|cx| Poll::Ready(work.as_mut().poll(cx)))
            .await
            .is_ready()
        {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < Duration::from_secs(20), "never: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn is_there(registry: &Registry) -> bool {
    registry.get(&sales()).is_some()
}

#[tokio::test]
async fn a_change_goes_on_to_its_end_when_its_caller_goes_away() {
    let dir = tempfile::tempdir().expect("a folder");
    let registry = registry(&dir).await;
    for times in 1..12 {
        polled(registry.create(sales(), false, vec![]), times).await;
        until("created", async || {
            is_there(&registry) && registry.is_stored(&sales()).await == Ok(true)
        })
        .await;
        let profile = profile(&dir);
        let client = sales();
        polled(registry.delete(&client, ProfileFate::Delete), times).await;
        until("deleted", async || {
            !is_there(&registry) && registry.is_stored(&client).await == Ok(false)
        })
        .await;
        assert!(!profile.exists(), "dropped after {times} polls");
    }
}

#[tokio::test]
async fn a_control_is_stored_and_told_even_if_its_caller_goes_away() {
    let dir = tempfile::tempdir().expect("a folder");
    let registry = registry(&dir).await;
    registry
        .create(sales(), false, vec![])
        .await
        .expect("created");
    let client = sales();
    polled(registry.control(&client, SessionAction::Start), 1).await;
    let snapshot = registry.get(&client).expect("there").snapshot();
    until("started", async || {
        snapshot.borrow().state != SessionState::Disconnected
    })
    .await;
    let wishes = registry.store.session_wishes().await.expect("read");
    assert!(
        wishes
            .iter()
            .any(|wish| wish.client == client && wish.wanted)
    );
}

#[tokio::test]
async fn a_deletion_that_failed_half_way_can_be_repeated() {
    let dir = tempfile::tempdir().expect("a folder");
    let registry = registry(&dir).await;
    registry
        .create(sales(), false, vec![])
        .await
        .expect("created");
    let (client, profile) = (sales(), profile(&dir));
    let file = database(&dir);
    let held = hold(&file).await;
    let failed = registry.delete(&client, ProfileFate::Delete).await;
    assert_eq!(failed, Err(SessionFailure::Store(StoreError::Busy)));
    held.await;
    assert!(is_there(&registry), "it stays, stopped");
    registry
        .delete(&client, ProfileFate::Delete)
        .await
        .expect("deleted");
    assert!(!profile.exists());
    assert_eq!(registry.is_stored(&client).await, Ok(false));
    assert_eq!(
        registry.delete(&client, ProfileFate::Delete).await,
        Err(SessionFailure::Unknown(client))
    );
}

#[tokio::test]
async fn what_a_failed_deletion_has_left_is_no_part_of_a_new_session() {
    let dir = tempfile::tempdir().expect("a folder");
    let registry = registry(&dir).await;
    let old = vec![("team".to_owned(), "old".to_owned())];
    registry.create(sales(), false, old).await.expect("created");
    let (client, profile) = (sales(), profile(&dir));
    let file = database(&dir);
    let held = hold(&file).await;
    let failed = registry.delete(&client, ProfileFate::Delete).await;
    assert_eq!(failed, Err(SessionFailure::Store(StoreError::Busy)));
    held.await;
    assert_eq!(
        registry.create(sales(), false, vec![]).await,
        Err(SessionFailure::Exists(sales()))
    );
    registry
        .delete(&client, ProfileFate::Delete)
        .await
        .expect("deleted");
    registry
        .create(sales(), false, vec![])
        .await
        .expect("created");
    assert!(!profile.exists());
    let wishes = registry.store.session_wishes().await.expect("read");
    assert_eq!(wishes.len(), 1);
    assert_eq!((&wishes[0].client, wishes[0].metadata.len()), (&client, 0));
}

#[tokio::test]
async fn a_session_that_is_being_deleted_is_neither_stored_nor_started_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let registry = registry(&dir).await;
    registry
        .create(sales(), false, vec![])
        .await
        .expect("created");
    let client = sales();
    let turn = registry.turn().await.expect("a turn");
    let (control, removed) = tokio::join!(registry.control(&client, SessionAction::Start), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let removed = registry.remove(&client, ProfileFate::Delete).await;
        drop(turn);
        removed
    });
    removed.expect("removed");
    assert_eq!(control, Err(SessionFailure::Unknown(client.clone())));
    assert_eq!(registry.is_stored(&client).await, Ok(false));
    assert_eq!(registry.store.session_wishes().await, Ok(vec![]));
}

#[tokio::test]
async fn nothing_is_changed_any_more_once_the_sessions_are_shut_down() {
    let dir = tempfile::tempdir().expect("a folder");
    let registry = registry(&dir).await;
    registry.shut_down().await;
    let refused = registry.create(sales(), true, vec![]).await;
    assert!(
        matches!(refused, Err(SessionFailure::Failed(_))),
        "{refused:?}"
    );
    assert!(!is_there(&registry));
}
