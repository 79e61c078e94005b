//! The plugins of this gateway: the set that is in use, and what belongs to no single plugin.
//!
//! The set is exchanged as a whole. Whoever goes over the plugins takes it once, as a [`Round`].

use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use arc_swap::ArcSwap;
use tokio::sync::{Notify, mpsc};

use super::{
    beside::{Beside, Offer},
    common::Common,
    load::Loader,
    observe::Instruments,
    ports::ConfigStore,
    quarantine::Quarantined,
    report::{PluginReport, PluginStatus},
    round::Round,
    set::{PluginSet, Refused},
    switches::Switches,
};
use crate::{config, model::ClientId};

/// The loaded plugins.
pub struct PluginHost {
    set: ArcSwap<PluginSet>,
    switches: ArcSwap<Switches>,
    common: Arc<Common>,
    pub(super) loader: Loader,
    /// The candidates that were refused last. Held by a reload, so that two reloads follow each
    /// other.
    pub(super) reloading: tokio::sync::Mutex<Refused>,
    news: Mutex<Option<mpsc::UnboundedReceiver<Quarantined>>>,
    offers: Mutex<Option<mpsc::UnboundedReceiver<Offer>>>,
    /// Keeps the configurations; none in a check.
    pub(super) configs: OnceLock<Arc<dyn ConfigStore>>,
    /// Tells that another set is in use.
    pub(super) published: Notify,
}

impl fmt::Debug for PluginHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginHost")
            .field("set", &self.set)
            .finish_non_exhaustive()
    }
}

impl PluginHost {
    pub(super) fn new(
        loader: Loader,
        set: PluginSet,
        news: mpsc::UnboundedReceiver<Quarantined>,
        offers: mpsc::UnboundedReceiver<Offer>,
    ) -> Self {
        Self {
            set: ArcSwap::from_pointee(set),
            switches: ArcSwap::default(),
            common: Arc::default(),
            loader,
            reloading: tokio::sync::Mutex::default(),
            news: Mutex::new(Some(news)),
            offers: Mutex::new(Some(offers)),
            configs: OnceLock::new(),
            published: Notify::new(),
        }
    }

    /// The plugins as they are now, for one round.
    pub(super) fn round(&self) -> Round {
        Round {
            set: self.set.load_full(),
            switches: self.switches.load_full(),
            common: Arc::clone(&self.common),
        }
    }

    /// The set that is in use.
    pub(super) fn set(&self) -> Arc<PluginSet> {
        self.set.load_full()
    }

    /// Every round that begins from now on uses this set.
    pub(super) fn publish(&self, set: PluginSet) {
        self.set.store(Arc::new(set));
        self.published.notify_waiters();
    }

    /// Sets the pairs that every event of a session carries from now on.
    pub fn set_metadata(&self, session: ClientId, pairs: Vec<(String, String)>) {
        self.common.set_metadata(session, pairs.into());
    }

    /// Switches a plugin on or off for a session, whatever its entry says, or takes that back. It
    /// applies to every round that begins from now on, also of a plugin that is loaded later.
    pub fn set_switch(&self, session: &ClientId, plugin: &str, to: Option<bool>) {
        self.switches.rcu(|switches| {
            let mut switches = Switches::clone(switches);
            switches.set(session, plugin, to);
            switches
        });
    }

    /// Observes every call of the plugins that are loaded now. A gateway never does.
    #[must_use]
    pub fn observe(&self) -> Arc<Instruments> {
        let instruments = Arc::<Instruments>::default();
        for plugin in &self.set().plugins {
            // Fails only if somebody observes them already.
            let _ = plugin.instruments.set(Arc::clone(&instruments));
        }
        instruments
    }

    /// Takes all switches of a session back: it is deleted, and another one may get its id.
    pub fn forget_switches(&self, session: &ClientId) {
        self.switches.rcu(|switches| {
            let mut switches = Switches::clone(switches);
            switches.forget(session);
            switches
        });
    }

    /// The news of plugins that are quarantined. Only the first caller gets them.
    pub fn quarantines(&self) -> Option<mpsc::UnboundedReceiver<Quarantined>> {
        self.news
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// The calls that wait for the candidates. Only the first caller gets them.
    pub(super) fn offers(&self) -> Option<mpsc::UnboundedReceiver<Offer>> {
        self.offers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    /// The entry with which a plugin is loaded; none if it is not.
    #[must_use]
    pub fn entry(&self, plugin: &str) -> Option<config::Plugin> {
        Some(self.set().plugin(plugin)?.entry.clone())
    }

    /// Every plugin as it is now, in the order of the entries; then the files of the plugin folder
    /// that no entry names, as they were at the start or the last reload.
    #[must_use]
    pub fn statuses(&self) -> Vec<PluginStatus> {
        let set = self.set();
        set.statuses
            .iter()
            .map(|status| PluginStatus {
                quarantined_until: set
                    .plugin(&status.report.name)
                    .and_then(|plugin| plugin.quarantine.until()),
                candidate: set.candidates.get(&status.report.name).map(Beside::status),
                ..status.clone()
            })
            .collect()
    }

    /// The results of loading the plugins, in the order of [`PluginHost::statuses`].
    #[must_use]
    pub fn reports(&self) -> Vec<PluginReport> {
        let set = self.set();
        set.statuses
            .iter()
            .map(|status| status.report.clone())
            .collect()
    }
}
