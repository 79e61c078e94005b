//! Plugins while the gateway runs: reading their entries anew, watching their files, and telling of
//! those that are quarantined.

use std::sync::Arc;

use tokio::task::JoinHandle;
use tracing::warn;

use crate::{
    config::{self, Config, Sources},
    events::Events,
    model::{Event, PluginQuarantined, millis},
    plugins::{PluginHost, Quarantined},
    services::ReadEntries,
    store::{Store, StoreError},
    tasks,
};

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

/// Starts the tasks that tell of quarantines and, if the operator wants it, watch the files.
pub(super) fn start(
    config: &Config,
    sources: &Sources,
    host: &Arc<PluginHost>,
    events: &Events,
    entries: &Arc<ReadEntries>,
) -> Vec<JoinHandle<()>> {
    let mut tasks = Vec::new();
    if let Some(mut news) = host.quarantines() {
        let events = events.clone();
        tasks.push(tokio::spawn(async move {
            while let Some(quarantined) = news.recv().await {
                if tasks::unless_panics(tell(&events, quarantined))
                    .await
                    .is_none()
                {
                    tasks::begins_anew("plugins.quarantines", "it panicked");
                }
            }
        }));
    }
    if config.plugins.watch {
        let (host, file, entries) = (Arc::clone(host), sources.file.clone(), Arc::clone(entries));
        tasks.push(tasks::forever("plugins.watch", move || {
            let entries = Arc::clone(&entries);
            Arc::clone(&host).watch(file.clone(), move || entries())
        }));
    }
    tasks
}

async fn tell(events: &Events, quarantined: Quarantined) {
    let report = PluginQuarantined {
        plugin: quarantined.plugin,
        component: quarantined.component,
        outcome: quarantined.kind.as_str().to_owned(),
        failures: quarantined.failures,
        within_ms: millis(quarantined.within),
        until: quarantined.until,
    };
    let event = Event::report(&report);
    if let Err(error) = events.append(&quarantined.session, None, event).await {
        warn!(%error, plugin = report.plugin, "the event of a quarantine was not recorded");
    }
}
