//! What is reported of each plugin: by `wharf check`, by the doctor and by `GET /v1/plugins`.

use std::fmt;

use serde::Serialize;

use super::beside::CandidateStatus;
use crate::model::Timestamp;

/// The result of loading one plugin.
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
    /// The line of the contract that it was built for, e.g. `0.2`; none unless it is loaded.
    pub line: Option<&'static str>,
    /// The extension points that it exports.
    pub points: Vec<&'static str>,
    /// The settings of its entry that none of these points reads, by their keys.
    pub unread_settings: Vec<&'static str>,
    /// Its candidate, if it has one, as a line: what is loaded, or why it cannot be used.
    pub candidate: Option<String>,
    /// Whether it works.
    pub state: PluginState,
}

/// Whether a plugin works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PluginState {
    /// It is loaded.
    Loaded,
    /// It could not be loaded for this reason.
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

/// A plugin as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginStatus {
    /// The result of loading it.
    pub report: PluginReport,
    /// When it was loaded, if it is.
    pub loaded_at: Option<Timestamp>,
    /// The last reload, if it failed: what was loaded before is still what runs.
    pub failed_reload: Option<FailedReload>,
    /// Until when it is not called, because it has failed too often (`quarantine`).
    pub quarantined_until: Option<Timestamp>,
    /// Its candidate, if it has one.
    pub candidate: Option<CandidateStatus>,
}

/// A reload that changed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedReload {
    /// When it was tried.
    pub at: Timestamp,
    /// Why the candidate was refused.
    pub reason: String,
}

impl PluginStatus {
    /// The status of a report at the present time.
    pub(super) fn new(report: PluginReport) -> Self {
        Self {
            loaded_at: (report.state == PluginState::Loaded).then(Timestamp::now),
            report,
            failed_reload: None,
            quarantined_until: None,
            candidate: None,
        }
    }
}
