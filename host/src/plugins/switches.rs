//! For which sessions a plugin works: by the `sessions` of its entry, unless somebody has switched
//! it on or off for the session.
//!
//! A switch belongs to the name of a plugin and not to its entry, so that it outlives reloads and a
//! plugin that is removed for a while. It is stored by whoever sets it.

use std::collections::BTreeMap;

use super::guest::Plugin;
use crate::model::ClientId;

/// The switches of all sessions.
#[derive(Debug, Clone, Default)]
pub(super) struct Switches(BTreeMap<ClientId, BTreeMap<String, bool>>);

impl Switches {
    /// The switch of a plugin in a session, if it has one.
    pub(super) fn get(&self, session: &ClientId, plugin: &str) -> Option<bool> {
        self.0.get(session)?.get(plugin).copied()
    }

    /// Sets a switch, or takes it back.
    pub(super) fn set(&mut self, session: &ClientId, plugin: &str, to: Option<bool>) {
        if let Some(to) = to {
            self.0
                .entry(session.clone())
                .or_default()
                .insert(plugin.to_owned(), to);
        } else if let Some(of) = self.0.get_mut(session) {
            of.remove(plugin);
            if of.is_empty() {
                self.0.remove(session);
            }
        }
    }

    /// Takes all switches of a session back.
    pub(super) fn forget(&mut self, session: &ClientId) {
        self.0.remove(session);
    }

    /// The names of the plugins that have a switch in a session.
    pub(super) fn of(&self, session: &ClientId) -> impl Iterator<Item = (&String, bool)> {
        let of = self.0.get(session).into_iter().flatten();
        of.map(|(name, on)| (name, *on))
    }

    /// Whether a plugin works for a session.
    pub(super) fn serves(&self, plugin: &Plugin, session: &ClientId) -> bool {
        self.get(session, &plugin.entry.name)
            .unwrap_or_else(|| plugin.serves(session))
    }
}
