//! Plugins while the gateway runs: reading their entries anew, watching their files, telling of
//! those that are quarantined, and asking candidates.

use std::{sync::Arc, time::Duration};

use tokio::{
    task::{JoinHandle, JoinSet},
    time::sleep,
};
use tracing::{info, warn};

use crate::{
    config::{self, Config, Sources},
    events::Events,
    model::{Event, PluginQuarantineEnded, PluginQuarantined, millis},
    plugins::{PluginHost, Quarantined},
    services::ReadEntries,
    store::{Store, StoreError},
    tasks,
};

/// How often the configurations of the loaded plugins are noted as used. Those that are not used are
/// deleted once nothing refers to them.
const USED: Duration = Duration::from_secs(3600);

/// Reads the operator's entries from the sources of the start. The environment and `.env` are
/// those of the start.
pub(super) fn entries(sources: Arc<Sources>) -> Arc<ReadEntries> {
    Arc::new(move || {
        config::load(&sources)
            .map(|config| config.plugin)
            .map_err(|errors| errors.to_string())
    })
}

/// Switches plugins on and off for sessions as it is stored.
pub(super) async fn restore_switches(store: &Store, host: &PluginHost) -> Result<(), StoreError> {
    for switch in store.plugin_switches().await? {
        host.set_switch(&switch.client, &switch.plugin, Some(switch.enabled));
    }
    Ok(())
}

/// Starts the tasks that tell of quarantines, ask candidates, keep configurations and, if the
/// operator wants it, watch the files.
pub(super) fn start(
    config: &Config,
    sources: &Sources,
    host: &Arc<PluginHost>,
    events: &Events,
    store: &Store,
    entries: &Arc<ReadEntries>,
) -> Vec<JoinHandle<()>> {
    let mut tasks = Vec::new();
    if let Some(mut news) = host.quarantines() {
        let (events, host) = (events.clone(), Arc::clone(host));
        tasks.push(tokio::spawn(async move {
            let mut quarantines = JoinSet::new();
            while let Some(quarantined) = news.recv().await {
                let (events, host) = (events.clone(), Arc::clone(&host));
                quarantines.spawn(async move {
                    let told = tell(&events, &host, quarantined);
                    if tasks::unless_panics(told).await.is_none() {
                        tasks::begins_anew("plugins.quarantines", "it panicked");
                    }
                });
                // Those that are over.
                while quarantines.try_join_next().is_some() {}
            }
        }));
    }
    if let Some(mut candidates) = host.candidates() {
        let store = store.clone();
        tasks.push(tokio::spawn(async move {
            let mut trouble = tasks::Trouble::default();
            while let Some(difference) = candidates.next().await {
                match store.add_difference(&difference).await {
                    Ok(()) => {
                        trouble.is_over();
                    }
                    Err(error) if trouble.is_new(&error) => {
                        warn!(%error, plugin = difference.plugin, "an answer of a candidate that differs is counted but not stored");
                    }
                    Err(_) => {}
                }
            }
        }));
    }
    let of_configs = Arc::clone(host);
    tasks.push(tasks::forever("plugins.configs", move || {
        let host = Arc::clone(&of_configs);
        async move {
            loop {
                sleep(USED).await;
                host.keep_configs().await;
            }
        }
    }));
    if config.plugins.watch {
        let (host, file, entries) = (Arc::clone(host), sources.file.clone(), Arc::clone(entries));
        tasks.push(tasks::forever("plugins.watch", move || {
            let entries = Arc::clone(&entries);
            Arc::clone(&host).watch(file.clone(), move || entries())
        }));
    }
    tasks
}

/// Records the beginning of a quarantine, and its end once it has come.
async fn tell(events: &Events, host: &PluginHost, quarantined: Quarantined) {
    let begun = PluginQuarantined {
        plugin: quarantined.plugin.clone(),
        component: quarantined.component.clone(),
        outcome: quarantined.kind.as_str().to_owned(),
        failures: quarantined.failures,
        within_ms: millis(quarantined.within),
        until: quarantined.until,
    };
    record(events, &quarantined, Event::report(&begun)).await;
    host.quarantine_over(&quarantined).await;
    info!(plugin = quarantined.plugin, "the quarantine is over");
    let ended = PluginQuarantineEnded {
        plugin: quarantined.plugin.clone(),
        component: quarantined.component.clone(),
    };
    record(events, &quarantined, Event::report(&ended)).await;
}

async fn record(events: &Events, quarantined: &Quarantined, event: Event) {
    if let Err(error) = events.append(&quarantined.session, None, event).await {
        warn!(%error, plugin = quarantined.plugin, "the event of a quarantine was not recorded");
    }
}
