//! One round over the plugins: the validators of one message, the notifiers of one event, the
//! attempt of one delivery.
//!
//! A round keeps the set of plugins that it began with, so that a reload meanwhile never mixes two
//! versions within it: a validator that the round has not asked yet is still the one of its set.

use std::sync::Arc;

use super::{
    common::Common, guest::Plugin, points::point::Exports, reported::ReportedVerdicts,
    set::PluginSet, switches::Switches,
};
use crate::model::ClientId;

/// The plugins, and which sessions they serve, as they were when the round began.
#[derive(Debug, Clone)]
pub(super) struct Round {
    pub(super) set: Arc<PluginSet>,
    pub(super) switches: Arc<Switches>,
    pub(super) common: Arc<Common>,
}

impl Round {
    /// The plugins that export an extension point and serve the session, in the operator's order.
    pub(super) fn exporting<E: Exports>(
        &self,
        session: &ClientId,
    ) -> impl Iterator<Item = &Plugin> {
        self.set
            .plugins
            .iter()
            .map(|plugin| &**plugin)
            .filter(|plugin| {
                plugin.points.get::<E>().is_some() && self.switches.serves(plugin, session)
            })
    }

    /// The plugin of this name, if it exports the extension point.
    pub(super) fn plugin<E: Exports>(&self, name: &str) -> Option<&Plugin> {
        self.set
            .plugin(name)
            .map(|plugin| &**plugin)
            .filter(|plugin| plugin.points.get::<E>().is_some())
    }

    /// The operator's pairs of a session, which its events carry.
    pub(super) fn metadata(&self, session: &ClientId) -> Arc<[(String, String)]> {
        self.common.metadata(session)
    }

    /// The verdicts of monitored plugins that were logged.
    pub(super) fn reported(&self) -> &ReportedVerdicts {
        &self.common.reported
    }
}
