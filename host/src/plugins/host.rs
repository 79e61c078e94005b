//! The loaded plugins of this gateway, in the operator's order.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use serde::Serialize;

use super::{
    guest::Plugin, observe::Instruments, points::point::Exports, reported::ReportedVerdicts,
};
use crate::model::ClientId;

/// The result of loading one plugin at the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PluginReport {
    /// The name in `gateway.toml`; of a file that no entry names, the name of the file.
    pub name: String,
    /// The version that the plugin gives itself.
    pub version: String,
    /// The description that the plugin gives itself.
    pub description: String,
    /// The path of the file.
    pub file: String,
    /// SHA-256 of the component, in hex.
    pub component: Option<String>,
    /// The extension points that it exports.
    pub points: Vec<&'static str>,
    /// The settings of its entry that none of these points reads, by their keys.
    pub unread_settings: Vec<&'static str>,
    /// Whether it works.
    pub state: PluginState,
}

/// Whether a plugin works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PluginState {
    /// It is loaded.
    Loaded,
    /// It could not be loaded for this reason, and is not required.
    Failed(String),
    /// Its entry says `enabled = false`.
    Disabled,
    /// It is a file in the plugin folder that no entry names.
    Available,
}

impl fmt::Display for PluginState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loaded => f.write_str("loaded"),
            Self::Failed(reason) => write!(f, "failed: {reason}"),
            Self::Disabled => f.write_str("disabled"),
            Self::Available => f.write_str("available, not enabled"),
        }
    }
}

type Pairs = Arc<[(String, String)]>;

/// The loaded plugins.
#[derive(Debug)]
pub struct PluginHost {
    plugins: Vec<Plugin>,
    reports: Vec<PluginReport>,
    /// The operator's pairs for each session, which events carry.
    metadata: RwLock<BTreeMap<ClientId, Pairs>>,
    pub(super) reported: ReportedVerdicts,
}

impl PluginHost {
    pub(super) fn new(plugins: Vec<Plugin>, reports: Vec<PluginReport>) -> Self {
        Self {
            plugins,
            reports,
            metadata: RwLock::default(),
            reported: ReportedVerdicts::default(),
        }
    }

    /// The plugins that export an extension point and serve the session, in the operator's order.
    pub(super) fn exporting<E: Exports>(
        &self,
        session: &ClientId,
    ) -> impl Iterator<Item = &Plugin> {
        self.plugins
            .iter()
            .filter(|plugin| plugin.points.get::<E>().is_some() && plugin.serves(session))
    }

    /// The plugin of this name, if it exports the extension point.
    pub(super) fn plugin<E: Exports>(&self, name: &str) -> Option<&Plugin> {
        self.plugins
            .iter()
            .find(|plugin| plugin.entry.name == name && plugin.points.get::<E>().is_some())
    }

    /// Sets the pairs that every event of a session carries from now on.
    pub fn set_metadata(&self, session: ClientId, pairs: Vec<(String, String)>) {
        self.metadata
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(session, pairs.into());
    }

    pub(super) fn metadata(&self, session: &ClientId) -> Pairs {
        self.metadata
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(session)
            .cloned()
            .unwrap_or_default()
    }

    /// Observes every call from now on. A gateway never does.
    pub fn observe(&mut self) -> Arc<Instruments> {
        let instruments = Arc::<Instruments>::default();
        for plugin in &mut self.plugins {
            plugin.instruments = Some(Arc::clone(&instruments));
        }
        instruments
    }

    /// The result of loading each plugin at the start.
    #[must_use]
    pub fn reports(&self) -> &[PluginReport] {
        &self.reports
    }
}
