//! `wharf plugin replay`: makes recorded calls of validators again and says what differs.
//!
//! It reads the database's file and does not ask the running gateway, as `wharf deliveries` does:
//! that command changes deliveries, which another process must not, while this one only reads. So
//! it needs no API key, works while the gateway is stopped, and the values that plugins keep in
//! their storage do not have to pass through the API.

mod compare;
mod report;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    path::{self, Path},
    sync::Arc,
};

pub use self::report::Outcome;
use self::{
    compare::{Difference, compare, label},
    report::Report,
};
use super::{check::NoKv, database, secrets};
use crate::{
    cli::Replay,
    config::{self, Config, Millis, Sources},
    model::Timestamp,
    plugins::{PluginHost, PluginState, RecordedCall, ReplayWith, Replayed},
    store::{DecisionFile, OutboxId, Range, StoreError, StoredCall, StoredDecision},
};

/// Runs the command.
///
/// # Errors
/// A message for the operator that says what to do.
pub async fn run(
    config: &Config,
    sources: Arc<Sources>,
    command: &Replay,
) -> Result<Outcome, String> {
    let path = database(config);
    let mut file = DecisionFile::open(&path)
        .await
        .map_err(|error| error.to_string())?;
    let done = match &command.message {
        Some(id) => message(config, sources, command, &mut file, id).await,
        None => time(config, sources, command, &mut file).await,
    };
    file.close().await;
    done
}

/// Makes the calls about one message again.
async fn message(
    config: &Config,
    sources: Arc<Sources>,
    command: &Replay,
    file: &mut DecisionFile,
    id: &str,
) -> Result<Outcome, String> {
    let id = OutboxId(id.to_owned());
    let failed = |error: StoreError| error.to_string();
    let decisions = file.of(&id).await.map_err(failed)?;
    let Some(first) = decisions.first() else {
        let path = file.path().display().to_string();
        return Err(if file.knows(&id).await.map_err(failed)? {
            format!(
                "no plugin was asked about the message {id}, or a version of the gateway accepted it that stored no decisions"
            )
        } else {
            format!(
                "there is no message {id} in {path}: give the id of a message (out_…) that this database has, or of one that a plugin rejected"
            )
        });
    };
    let mut names: Vec<&str> = decisions
        .iter()
        .flat_map(calls)
        .map(|call| call.facts.plugin.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    if let Some(plugin) = &command.plugin
        && !names.contains(&plugin.as_str())
    {
        return Err(format!(
            "the plugin {plugin} was not asked about the message; asked were {}",
            names.join(", ")
        ));
    }
    let configs = file.configs().await.map_err(failed)?;
    let plugins = Plugins::load(config, sources, command, &names, configs).await?;
    let mut outcome = Outcome {
        lines: vec![format!("message {id}, session {}", first.session)],
        same: true,
    };
    for decision in &decisions {
        let Some((when, calls)) = &decision.calls else {
            outcome.same = false;
            outcome.lines.push(format!(
                "{}: the decision cannot be read",
                decision.at.rfc3339()
            ));
            continue;
        };
        let refused = if decision.refused {
            ", the message was refused"
        } else {
            ""
        };
        outcome
            .lines
            .push(format!("{} ({when}){refused}:", decision.at.rfc3339()));
        for call in calls.iter().filter(|call| plugins.wants(call)) {
            let (lines, same) = shown(call, plugins.replay(decision, call).await);
            outcome.lines.extend(lines);
            outcome.same &= same;
        }
    }
    Ok(outcome)
}

fn calls(decision: &StoredDecision) -> &[StoredCall] {
    decision.calls.as_ref().map_or(&[], |(_, calls)| calls)
}

/// The lines about one call, and whether it gave the recorded answer.
fn shown(call: &StoredCall, replayed: Result<Replayed, String>) -> (Vec<String>, bool) {
    let plugin = &call.facts.plugin;
    let replayed = match replayed {
        Ok(replayed) => replayed,
        Err(why) => return (vec![format!("  {plugin}: not replayed: {why}")], false),
    };
    let found = compare(call, &replayed);
    let mut lines = vec![match &found {
        None => format!("  {plugin}: the same: {}", label(call)),
        Some(Difference { from, to, .. }) => format!("  {plugin}: differs: {from} → {to}"),
    }];
    if let Some(difference) = &found {
        lines.extend(difference.more.iter().map(|line| format!("    {line}")));
    }
    for (what, before, now) in [
        ("component", &call.facts.component, &replayed.component),
        ("config", &call.facts.config, &replayed.config),
    ] {
        if before != now {
            lines.push(format!("    another {what}: {before} → {now}"));
        }
    }
    lines.extend(
        replayed
            .unrecorded
            .iter()
            .map(|what| format!("    not in the record: {what}")),
    );
    (lines, found.is_none())
}

/// Makes the calls of a time again.
async fn time(
    config: &Config,
    sources: Arc<Sources>,
    command: &Replay,
    file: &mut DecisionFile,
) -> Result<Outcome, String> {
    let now = Timestamp::now();
    let range = Range {
        since: moment("--since", command.since.as_deref(), now)?.unwrap_or(Timestamp(0)),
        until: moment("--until", command.until.as_deref(), now)?.unwrap_or(now),
    };
    if range.since >= range.until {
        return Err(format!(
            "--since ({}) must be before --until ({})",
            range.since.rfc3339(),
            range.until.rfc3339()
        ));
    }
    let enabled: Vec<&str> = config
        .plugin
        .iter()
        .filter(|entry| entry.enabled)
        .map(|entry| entry.name.as_str())
        .collect();
    let configs = file.configs().await.map_err(|error| error.to_string())?;
    let plugins = Plugins::load(config, sources, command, &enabled, configs).await?;
    let mut report = Report::default();
    let read = file.each(range, async |decision: StoredDecision| {
        if decision.calls.is_none() {
            report.unreadable(&decision.message);
        }
        for call in calls(&decision).iter().filter(|call| plugins.wants(call)) {
            match plugins.replay(&decision, call).await {
                Ok(replayed) => report.add(&decision.message, call, &replayed),
                Err(why) => report.not_replayed(&decision.message, call, why),
            }
        }
    });
    read.await.map_err(|error| error.to_string())?;
    Ok(report.outcome(range))
}

/// Reads a time: a duration before `now`, RFC 3339, or milliseconds since the Unix epoch.
fn moment(option: &str, word: Option<&str>, now: Timestamp) -> Result<Option<Timestamp>, String> {
    let Some(word) = word else { return Ok(None) };
    if let Ok(millis) = word.parse::<i64>() {
        return Ok(Some(Timestamp(millis)));
    }
    if let Ok(at) = word.parse::<jiff::Timestamp>() {
        return Ok(Some(Timestamp(at.as_millisecond())));
    }
    if let Ok(before) = word.parse::<Millis>() {
        return Ok(Some(now.minus(before.duration())));
    }
    Err(format!(
        "{option} {word:?} is no time: write how long ago it was (24h), RFC 3339 with an offset (2026-01-31T09:00:00Z), or milliseconds since the Unix epoch"
    ))
}

/// Verdicts of calls that had no answer, because of the gateway and not of what the plugin saw.
const NO_ANSWER: [&str; 3] = ["busy", "host", "quarantined"];

/// The plugins that are asked again.
struct Plugins {
    host: PluginHost,
    /// The only plugin that is asked; none for all.
    only: Option<String>,
    /// Whether another component than the recorded one may answer.
    any_component: bool,
    /// Whether calls are made with the configuration of the file, and not with their own.
    current_config: bool,
    /// The configurations that are kept, by their digests.
    configs: BTreeMap<String, String>,
}

impl Plugins {
    /// Loads those of the plugins that the configuration has, or the one that `--plugin` and
    /// `--component` name. Nothing is written: compiled code is not cached.
    async fn load(
        config: &Config,
        sources: Arc<Sources>,
        command: &Replay,
        names: &[&str],
        configs: BTreeMap<String, String>,
    ) -> Result<Self, String> {
        let only = match (&command.plugin, &command.component, names) {
            (Some(plugin), _, _) => Some(plugin.clone()),
            (None, Some(_), [name]) => Some((*name).to_owned()),
            (None, Some(_), _) => {
                return Err(format!(
                    "--component is another version of one plugin: add --plugin with its name, one of {}",
                    names.join(", ")
                ));
            }
            (None, None, _) => None,
        };
        let asked = |name: &str| {
            only.as_deref()
                .map_or_else(|| names.contains(&name), |only| only == name)
        };
        let mut entries: Vec<config::Plugin> = config
            .plugin
            .iter()
            .filter(|entry| asked(&entry.name))
            .cloned()
            .collect();
        for entry in &mut entries {
            // The result names a plugin that cannot be loaded, and those that can are asked.
            entry.required = false;
            // Calls that were made at different times say nothing about one minute.
            entry.quarantine = None;
            entry.candidate = None;
        }
        let mut settings = config.plugins.clone();
        if let Some(component) = &command.component {
            let [entry] = entries.as_mut_slice() else {
                let only = only.unwrap_or_default();
                return Err(format!(
                    "the configuration has no [[plugin]] entry {only}, whose settings the component would run with"
                ));
            };
            (settings.dir, entry.file) = split(component)?;
            (entry.sha256, entry.enabled) = (None, true);
        }
        let host = PluginHost::load_uncached(&settings, &entries, Arc::new(NoKv), secrets(sources))
            .await
            .map_err(|error| error.to_string())?;
        Ok(Self {
            host,
            only,
            any_component: command.component.is_some(),
            current_config: command.current_config,
            configs,
        })
    }

    fn wants(&self, call: &StoredCall) -> bool {
        // A plugin in quarantine was not called, so there is nothing to repeat.
        call.facts.verdict != "quarantined"
            && self
                .only
                .as_ref()
                .is_none_or(|only| *only == call.facts.plugin)
    }

    /// Makes a call again. The error says why that cannot be done.
    async fn replay(
        &self,
        decision: &StoredDecision,
        call: &StoredCall,
    ) -> Result<Replayed, String> {
        let details = call.details.as_ref().ok_or_else(|| {
            "what the plugin saw was deleted with the content of the message ([storage] keep_bodies)"
                .to_owned()
        })?;
        if NO_ANSWER.contains(&call.facts.verdict.as_str()) {
            return Err(format!(
                "the plugin gave no answer then ({})",
                call.facts.verdict
            ));
        }
        let recorded = RecordedCall {
            session: &decision.session,
            message: &decision.message.0,
            facts: &call.facts,
            input: &details.input,
            storage: &details.storage,
        };
        let is_current = self.current_config
            || self.host.config_digest(&call.facts.plugin).as_ref() == Some(&call.facts.config);
        let own = self.configs.get(&call.facts.config).filter(|_| !is_current);
        let with = ReplayWith {
            any_component: self.any_component,
            config: own.map(String::as_str),
        };
        let mut replayed = self.host.replay(recorded, with).await;
        if let Ok(replayed) = &mut replayed
            && !is_current
            && own.is_none()
        {
            replayed.unrecorded.push(
                "the configuration of the call: an earlier version of the gateway did not keep it, so the one of the configuration file was used".into(),
            );
        }
        replayed.map_err(|error| {
            let name = &call.facts.plugin;
            let report = self.host.reports().into_iter().find(|one| one.name == *name);
            match report.as_ref().map(|report| &report.state) {
                Some(state @ (PluginState::Failed(_) | PluginState::Disabled)) => {
                    format!("the plugin is {state}; the call was made by the component {}", call.facts.component)
                }
                None => format!(
                    "the configuration has no enabled plugin {name}; the call was made by the component {}",
                    call.facts.component
                ),
                Some(_) => error.to_string(),
            }
        })
    }
}

/// The folder and the name of a component's file.
fn split(component: &Path) -> Result<(path::PathBuf, Option<String>), String> {
    let wrong = |why: &str| format!("--component {}: {why}", component.display());
    let whole = path::absolute(component).map_err(|error| wrong(&error.to_string()))?;
    if !whole.is_file() {
        return Err(wrong(
            "there is no such file; give the path of a component (.wasm)",
        ));
    }
    let name = whole.file_name().and_then(|name| name.to_str());
    let (Some(folder), Some(name)) = (whole.parent(), name) else {
        return Err(wrong("the name of the file must be UTF-8"));
    };
    Ok((folder.to_owned(), Some(name.to_owned())))
}
