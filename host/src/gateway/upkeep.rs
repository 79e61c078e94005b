//! What is done every hour: old rows are forgotten, caches and orphans of the session path cleaned away.

use std::{sync::Arc, time::Duration};

use tokio::{task::JoinHandle, time::interval};
use tracing::{info, warn};

use super::sessions::Sessions;
use crate::{
    config::{Config, Millis},
    model::{ClientId, SessionState, Timestamp},
    session::{self, Cleanup, SessionHandle},
    store::{Store, StoreError},
};

const PERIOD: Duration = Duration::from_secs(3600);
/// The seed's age of what may go. Logins never do, however old.
const ORPHAN_AGE: Duration = Duration::from_secs(7 * 86_400);

pub(super) fn start(store: Store, config: Arc<Config>, sessions: Arc<Sessions>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut clock = interval(PERIOD);
        loop {
            clock.tick().await;
            if let Err(error) = forget(&store, &config).await {
                warn!(%error, "old rows were not forgotten");
            }
            match clean(&config, &sessions, false).await {
                Ok(done) if done != Cleanup::default() => {
                    info!(removed = done.removed.len(), quarantined = done.quarantined.len(), bytes = done.bytes_freed, "clean-up");
                }
                Ok(_) => {}
                Err(reason) => warn!(reason, "the session path was not cleaned"),
            }
        }
    })
}

fn before(age: Millis) -> Timestamp {
    Timestamp(Timestamp::now().0.saturating_sub(i64::try_from(age.0).unwrap_or(i64::MAX)))
}

async fn forget(store: &Store, config: &Config) -> Result<(), StoreError> {
    let events = before(config.storage.keep_events);
    store.prune_paced(Timestamp::now().minus(Duration::from_secs(2 * 86_400))).await?;
    store.prune_outbox(events, before(config.storage.keep_idempotency)).await?;
    store.prune_inbound(events).await?;
    store.prune_events(events).await
}

/// Cleans the session path, or says what would be done. Sessions with a browser are left alone.
pub(super) async fn clean(config: &Config, sessions: &Sessions, dry_run: bool) -> Result<Cleanup, String> {
    let root = config.sessions.path.clone();
    let sessions = sessions.all();
    let known: Vec<ClientId> = sessions.iter().map(|handle| handle.client().clone()).collect();
    let at_rest = |handle: &&SessionHandle| {
        let state = handle.snapshot().borrow().state;
        matches!(state, SessionState::Disconnected | SessionState::Error | SessionState::AuthFailure)
    };
    let idle: Vec<ClientId> = sessions.iter().filter(at_rest).map(|handle| handle.client().clone()).collect();
    let done = tokio::task::spawn_blocking(move || session::clean(&root, &known, &idle, ORPHAN_AGE, dry_run)).await;
    done.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}
