//! Which plugins serve a session, and why: for people who look at one session.

use super::{host::PluginHost, report::PluginState, round::Round};
use crate::model::ClientId;

/// Whether a plugin serves a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serving {
    /// The name of the plugin.
    pub plugin: String,
    /// Whether it is asked about the session.
    pub serves: bool,
    /// The switch of the plugin in the session, which decides in place of its entry.
    pub switch: Option<bool>,
    /// What decides.
    pub because: Because,
    /// Why it is so, for people.
    pub reason: String,
}

/// What decides whether a plugin serves a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Because {
    /// The plugin is not loaded, so it serves no session.
    NotLoaded,
    /// Its switch in this session.
    Switch,
    /// `sessions` of its entry.
    Sessions,
}

impl PluginHost {
    /// Whether each plugin that has an entry, or a switch in the session, serves it.
    #[must_use]
    pub fn serving(&self, session: &ClientId) -> Vec<Serving> {
        let round = self.round();
        let listed = round.set.statuses.iter().map(|status| &status.report);
        let mut all: Vec<Serving> = listed
            .filter(|report| report.state != PluginState::Available)
            .map(|report| serving(&round, session, &report.name, Some(&report.state)))
            .collect();
        let others: Vec<Serving> = round
            .switches
            .of(session)
            .filter(|(name, _)| all.iter().all(|one| one.plugin != **name))
            .map(|(name, _)| serving(&round, session, name, None))
            .collect();
        all.extend(others);
        all
    }
}

fn serving(round: &Round, session: &ClientId, name: &str, state: Option<&PluginState>) -> Serving {
    let switch = round.switches.get(session, name);
    let Some(plugin) = round.set.plugin(name) else {
        // Without the reason of a failure, which may quote the plugin's configuration: who may see
        // one session is not told that.
        let state = match state {
            None | Some(PluginState::Available) => "it has no entry in gateway.toml",
            Some(PluginState::Disabled) => "it is disabled",
            Some(PluginState::Failed(_) | PluginState::Loaded) => "it failed to load",
        };
        return Serving {
            plugin: name.to_owned(),
            serves: false,
            switch,
            because: Because::NotLoaded,
            reason: format!("the plugin is not loaded: {state}"),
        };
    };
    let named = plugin.serves(session);
    let (because, reason) = match switch {
        Some(true) => (
            Because::Switch,
            "it was switched on for this session".to_owned(),
        ),
        Some(false) => (
            Because::Switch,
            "it was switched off for this session".to_owned(),
        ),
        None => {
            let says = if named { "names" } else { "does not name" };
            let reason = format!("`sessions` of its entry {says} this session");
            (Because::Sessions, reason)
        }
    };
    Serving {
        plugin: name.to_owned(),
        serves: switch.unwrap_or(named),
        switch,
        because,
        reason,
    }
}
