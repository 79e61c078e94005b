//! Makes recorded calls again, with the same or another version of a plugin, and compares the
//! answers.
//!
//! A call is given its recorded context, message and storage; its clock and its random numbers
//! follow from the context. What it writes goes nowhere. Four things are not recorded and may make
//! an answer differ without a change of the plugin: the values of secrets, values of its storage
//! that were too large or that only another version asks for, answers to HTTP requests, which are
//! not made again, and how fast the machine is. The first three are named in the result.

use std::sync::Arc;

use super::{
    check,
    guest::Plugin,
    host::PluginHost,
    host_state::Scene,
    points::send_validation,
    ports::{KvStore, Subject},
    recorded::{Answered, CallFacts, StorageTrace},
    replay_kv::ReplayKv,
    trace::Trace,
};
use crate::model::{ClientId, OutboundMessage};

/// A recorded call, as it is read from the database.
#[derive(Debug, Clone, Copy)]
pub struct RecordedCall<'a> {
    /// The session.
    pub session: &'a ClientId,
    /// The id of the message.
    pub message: &'a str,
    /// Which plugin answered what.
    pub facts: &'a CallFacts,
    /// The message as the plugin saw it.
    pub input: &'a OutboundMessage,
    /// What it asked of its storage.
    pub storage: &'a StorageTrace,
}

/// The result of making a call again.
#[derive(Debug, Clone, PartialEq)]
pub struct Replayed {
    /// SHA-256 of the component that answered, in hex.
    pub component: String,
    /// SHA-256 of its configuration, in hex.
    pub config: String,
    /// The answer.
    pub answer: Answered,
    /// What the call depended on and the record does not have, in words.
    pub unrecorded: Vec<String>,
    /// Whether it asked the network, of which nothing is recorded.
    pub asked_network: bool,
}

/// With what a call is made again.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReplayWith<'a> {
    /// Whether another component than the recorded one may answer.
    pub any_component: bool,
    /// The configuration, a JSON object as the plugin gets it; none for that of the loaded plugin.
    pub config: Option<&'a str>,
}

/// Why a call cannot be made again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CannotReplay {
    /// No loaded plugin of this name validates messages.
    #[error("no plugin {0} that validates messages is loaded")]
    NoPlugin(String),
    /// The loaded plugin has another component, and only the recorded one was asked for.
    #[error(
        "the call was made by the component {recorded}, and the plugin's file is now {now}; the gateway keeps no components: name a copy of the old file, or the other version, with --component"
    )]
    OtherComponent {
        /// SHA-256 of the recorded component, in hex.
        recorded: String,
        /// SHA-256 of the loaded component, in hex.
        now: String,
    },
}

impl PluginHost {
    /// Makes a recorded call of a validator again. Nothing is written or counted.
    ///
    /// # Errors
    /// If there is no such plugin, or if it has another component.
    pub async fn replay(
        &self,
        call: RecordedCall<'_>,
        with: ReplayWith<'_>,
    ) -> Result<Replayed, CannotReplay> {
        let name = &call.facts.plugin;
        let round = self.round();
        let plugin = round
            .plugin::<send_validation::Exported>(name)
            .ok_or_else(|| CannotReplay::NoPlugin(name.clone()))?;
        if !with.any_component && plugin.component != call.facts.component {
            return Err(CannotReplay::OtherComponent {
                recorded: call.facts.component.clone(),
                now: plugin.component.clone(),
            });
        }
        Ok(again(plugin, call, with.config, None).await)
    }

    /// SHA-256 of the configuration with which a plugin is loaded, in hex; none if it is not loaded.
    #[must_use]
    pub fn config_digest(&self, plugin: &str) -> Option<String> {
        Some(self.set().plugin(plugin)?.config_digest.clone())
    }
}

/// Makes a recorded call with this version of the plugin. Keys that the record does not have are
/// read from the storage `beyond`; without it they are missing.
pub(super) async fn again(
    plugin: &Plugin,
    call: RecordedCall<'_>,
    config: Option<&str>,
    beyond: Option<Arc<dyn KvStore>>,
) -> Replayed {
    let subject = Subject {
        session: call.session.clone(),
        id: call.message.to_owned(),
        attempt: call.facts.context.attempt,
    };
    let (kv, trace) = (
        Arc::new(ReplayKv::new(call.storage, beyond)),
        Arc::<Trace>::default(),
    );
    let mut capabilities = plugin.capabilities(call.session, Arc::<ReplayKv>::clone(&kv));
    // A repeated call reaches nobody.
    capabilities.http = None;
    capabilities.trace = Some(Arc::clone(&trace));
    let scene = Scene {
        context: call.facts.context.again(call.session, call.message),
        config: config.map_or_else(|| Arc::clone(&plugin.config), Arc::from),
        capabilities,
    };
    let answer = send_validation::ask_again(plugin, &subject, scene, call.input).await;
    let mut unrecorded = kv.unrecorded();
    if call.storage.cut {
        unrecorded.push("requests to the storage after the recorded ones: the call made more than a record holds".into());
    }
    let taken = trace.take();
    let asked_network = taken.asked_network && !plugin.entry.grants.http.is_empty();
    if asked_network {
        unrecorded.push("answers to HTTP requests: a repeated call makes none".into());
    }
    unrecorded.extend(
        taken
            .secrets
            .into_iter()
            .map(|name| format!("the secret {name}, whose current value was used")),
    );
    Replayed {
        component: plugin.component.clone(),
        config: config.map_or_else(
            || plugin.config_digest.clone(),
            |config| check::digest(config.as_bytes()),
        ),
        answer,
        unrecorded,
        asked_network,
    }
}
