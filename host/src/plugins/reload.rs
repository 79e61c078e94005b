//! Loads plugins anew while the gateway runs.
//!
//! What is asked for is loaded and checked beside the set that is in use, and then a new set is
//! published: a candidate that is refused changes nothing. The entries are read only when it is the
//! reload's turn, so that the last of two reloads has read the newer file.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use tokio::task::spawn_blocking;
use tracing::{info, warn};

use super::{
    beside::Beside,
    guest::Plugin,
    host::PluginHost,
    report::{FailedReload, PluginReport, PluginState, PluginStatus},
    set::{PluginSet, Refused, in_order},
    start::{add_available, loaded, report},
    text::{MAX_REASON, PluginText},
};
use crate::{config, model::Timestamp};

/// What a reload did to one plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// The name of the plugin.
    pub plugin: String,
    /// What ran before; none when it was not loaded.
    pub before: Option<Version>,
    /// What runs now; none when it is removed from `gateway.toml` or disabled there.
    pub after: Option<Version>,
}

/// One version of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The version that the plugin gives itself.
    pub version: String,
    /// SHA-256 of its component, in hex.
    pub component: String,
}

/// Why a plugin was not reloaded. What was loaded before is still in use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReloadError {
    /// The configuration cannot be read.
    #[error("the configuration is wrong, so nothing was reloaded: {0}")]
    Configuration(String),
    /// Neither the configuration nor the gateway has a plugin of this name.
    #[error(
        "there is no plugin {0:?}: gateway.toml has no [[plugin]] entry of that name, and none is loaded"
    )]
    Unknown(String),
    /// The candidate cannot be used.
    #[error("plugin {plugin} was not reloaded: {reason}")]
    Refused {
        /// The plugin.
        plugin: String,
        /// What is wrong and what would be right.
        reason: String,
    },
}

/// Reads the entries of the operator's file.
type Entries = Result<Vec<config::Plugin>, String>;

impl PluginHost {
    /// Loads one plugin anew, from its file and its entry. `read` reads the entries. A plugin whose
    /// entry is new is added, and one whose entry is gone or disabled is removed. Calls that have
    /// begun are answered by the version that they began with.
    ///
    /// # Errors
    /// See [`ReloadError`]; then nothing has changed.
    pub async fn reload(
        &self,
        plugin: &str,
        read: impl FnOnce() -> Entries + Send + 'static,
    ) -> Result<Reloaded, ReloadError> {
        let mut refused = self.reloading.lock().await;
        let entries = entries(read).await?;
        let names = [plugin.to_owned()];
        let mut done = self.change(&mut refused, &entries, &names).await;
        done.pop()
            .unwrap_or_else(|| Err(ReloadError::Unknown(plugin.to_owned())))
    }

    /// Loads every plugin anew whose file or entry has changed, and publishes all of them together.
    /// A candidate that was refused is tried again only when it has changed since.
    ///
    /// # Errors
    /// When the configuration cannot be read. The result of each plugin is in the answer.
    pub async fn reload_changed(
        &self,
        read: impl FnOnce() -> Entries + Send + 'static,
    ) -> Result<Vec<Result<Reloaded, ReloadError>>, ReloadError> {
        let mut refused = self.reloading.lock().await;
        let entries = entries(read).await?;
        let names = self.changed(&refused, &entries).await;
        Ok(self.change(&mut refused, &entries, &names).await)
    }

    /// The plugins whose entries or files differ from what is loaded. A loaded plugin without an
    /// entry is not among them: a file that was cut off while it was written is a valid file with
    /// fewer entries, and without its validators the gateway would send everything.
    async fn changed(&self, refused: &Refused, entries: &[config::Plugin]) -> Vec<String> {
        let set = self.set();
        let mut names = Vec::new();
        for entry in entries {
            let state = set.status(&entry.name).map(|status| &status.report.state);
            if !entry.enabled {
                if state != Some(&PluginState::Disabled) {
                    names.push(entry.name.clone());
                }
                continue;
            }
            let digest = self.loader.digest(entry).await;
            let beside = match entry.of_candidate() {
                Some(candidate) => Some(self.loader.digest(&candidate).await),
                None => None,
            };
            let is_loaded = set.plugin(&entry.name).is_some_and(|plugin| {
                let candidate = set.candidates.get(&entry.name);
                plugin.entry == *entry
                    && Some(&plugin.component) == digest.as_ref()
                    && candidate.map(|candidate| &candidate.digest) == beside.as_ref()
            });
            let was_refused = refused
                .get(&entry.name)
                .is_some_and(|(of, file)| of == entry && *file == digest);
            if !is_loaded && !was_refused {
                names.push(entry.name.clone());
            }
        }
        let known: BTreeSet<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        for report in set.statuses.iter().map(|status| &status.report) {
            let plugin = &report.name;
            if known.contains(plugin.as_str()) {
                continue;
            }
            match report.state {
                PluginState::Loaded => {
                    warn!(
                        plugin,
                        "its entry is gone from gateway.toml, and it stays loaded; to remove it, call POST /v1/plugins/{plugin}/reload or write the entry with enabled = false"
                    );
                }
                PluginState::Failed(_) | PluginState::Disabled => names.push(plugin.clone()),
                PluginState::Available => {}
            }
        }
        names
    }

    /// Loads these plugins and publishes the set with those of them that can be used.
    async fn change(
        &self,
        refused: &mut Refused,
        entries: &[config::Plugin],
        names: &[String],
    ) -> Vec<Result<Reloaded, ReloadError>> {
        let began = Instant::now();
        let old = self.set();
        let mut next = Next::of(&old);
        let mut results = Vec::with_capacity(names.len());
        for name in names {
            let entry = entries.iter().find(|entry| entry.name == *name);
            results.push(self.candidate(refused, &mut next, name, entry).await);
        }
        let order: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        let mut set = next.set(&order);
        add_available(&mut set, &self.loader.dir);
        let before = names.iter().map(|name| old.plugin(name).is_some());
        for ((name, result), loaded) in names.iter().zip(&results).zip(before) {
            log(name, loaded, result, began);
        }
        self.keep_configs_of(&set).await;
        self.publish(set);
        results
    }

    /// Puts the new version of a plugin into the next set, or takes the plugin out of it, or notes
    /// why the candidate was refused.
    async fn candidate(
        &self,
        refused: &mut Refused,
        next: &mut Next,
        name: &str,
        entry: Option<&config::Plugin>,
    ) -> Result<Reloaded, ReloadError> {
        let before = next.version(name);
        let done = |after| Reloaded {
            plugin: name.to_owned(),
            before: before.clone(),
            after,
        };
        refused.remove(name);
        let Some(entry) = entry else {
            if !next.remove(name) {
                return Err(ReloadError::Unknown(name.to_owned()));
            }
            return Ok(done(None));
        };
        let file = self.loader.file(entry).display().to_string();
        if !entry.enabled {
            next.remove(name);
            next.note(PluginStatus::new(report(
                name.to_owned(),
                file,
                PluginState::Disabled,
            )));
            return Ok(done(None));
        }
        // Of the file as it is before it is read: one that is exchanged meanwhile was not refused.
        let digest = self.loader.digest(entry).await;
        match self.loader.load(entry).await {
            Ok((plugin, description)) => {
                let before = next.candidates.remove(name);
                let beside = self.loader.beside(&plugin, before.as_ref()).await;
                let report = loaded(&plugin, &description, file, beside.as_ref());
                let after = version(&report);
                next.candidates
                    .extend(beside.map(|beside| (name.to_owned(), beside)));
                next.plugins.retain(|old| old.entry.name != name);
                next.plugins.push(Arc::new(plugin));
                next.note(PluginStatus::new(report));
                Ok(done(after))
            }
            Err(reason) => {
                // The reason may quote schemas, configuration issues and panics of the plugin, so
                // it is cut and escaped.
                let reason = String::from(PluginText::truncated(MAX_REASON, &reason));
                refused.insert(name.to_owned(), (entry.clone(), digest));
                next.note_refused(name, file, &reason);
                Err(ReloadError::Refused {
                    plugin: name.to_owned(),
                    reason,
                })
            }
        }
    }
}

async fn entries(
    read: impl FnOnce() -> Entries + Send + 'static,
) -> Result<Vec<config::Plugin>, ReloadError> {
    spawn_blocking(read)
        .await
        .unwrap_or_else(|error| Err(format!("reading it broke off: {error}")))
        .map_err(ReloadError::Configuration)
}

/// The set that is being made.
struct Next {
    plugins: Vec<Arc<Plugin>>,
    candidates: BTreeMap<String, Beside>,
    statuses: Vec<PluginStatus>,
}

impl Next {
    fn of(set: &PluginSet) -> Self {
        let named = set
            .statuses
            .iter()
            .filter(|status| status.report.state != PluginState::Available);
        Self {
            plugins: set.plugins.clone(),
            candidates: set.candidates.clone(),
            statuses: named.cloned().collect(),
        }
    }

    fn version(&self, name: &str) -> Option<Version> {
        self.statuses
            .iter()
            .find(|status| status.report.name == name)
            .and_then(|status| version(&status.report))
    }

    /// Takes a plugin out. Returns whether anything was known of it.
    fn remove(&mut self, name: &str) -> bool {
        let known = self.statuses.len();
        self.plugins.retain(|plugin| plugin.entry.name != name);
        self.candidates.remove(name);
        self.statuses.retain(|status| status.report.name != name);
        self.statuses.len() < known
    }

    fn note(&mut self, status: PluginStatus) {
        let place = self
            .statuses
            .iter_mut()
            .find(|known| known.report.name == status.report.name);
        match place {
            Some(known) => *known = status,
            None => self.statuses.push(status),
        }
    }

    /// A plugin that is loaded stays what it is; of any other, nothing can be said but this.
    fn note_refused(&mut self, name: &str, file: String, reason: &str) {
        let loaded = self.statuses.iter().find(|status| {
            status.report.name == name && status.report.state == PluginState::Loaded
        });
        let status = loaded.cloned().unwrap_or_else(|| {
            PluginStatus::new(report(
                name.to_owned(),
                file,
                PluginState::Failed(reason.to_owned()),
            ))
        });
        self.note(PluginStatus {
            failed_reload: Some(FailedReload {
                at: Timestamp::now(),
                reason: reason.to_owned(),
            }),
            ..status
        });
    }

    fn set(self, order: &[&str]) -> PluginSet {
        PluginSet {
            candidates: self.candidates,
            plugins: in_order(self.plugins, |plugin| &plugin.entry.name, order),
            statuses: in_order(self.statuses, |status| &status.report.name, order),
        }
    }
}

fn version(report: &PluginReport) -> Option<Version> {
    Some(Version {
        version: report.version.clone(),
        component: report.component.clone()?,
    })
}

fn log(plugin: &str, was_loaded: bool, result: &Result<Reloaded, ReloadError>, began: Instant) {
    let took = began.elapsed();
    let outcome = match result {
        Ok(Reloaded {
            after: Some(after), ..
        }) => {
            let (version, component) = (&after.version, &after.component);
            info!(plugin, version, component, ?took, "plugin reloaded");
            "loaded"
        }
        Ok(Reloaded { after: None, .. }) => {
            info!(plugin, "plugin removed: gateway.toml does not enable it");
            "removed"
        }
        // Names of callers are not labels of a metric, which would grow without bound.
        Err(ReloadError::Unknown(_)) => return,
        Err(error) => {
            let goes_on = if was_loaded {
                "what was loaded stays"
            } else {
                "the gateway goes on without it"
            };
            warn!(plugin, %error, "plugin not reloaded; {goes_on}");
            "refused"
        }
    };
    metrics::counter!("wharf_plugin_reloads_total", "plugin" => plugin.to_owned(), "outcome" => outcome).increment(1);
}
