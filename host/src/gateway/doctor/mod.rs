//! `wharf doctor`: checks everything that a gateway needs, and says how to solve each problem.
//!
//! The doctor does not disturb a running gateway. If one runs on this configuration, the doctor
//! asks it through its API. Only if none is running does the doctor start a browser, on a temporary
//! profile. It writes nothing into the session path: run as root before the first start, it would
//! create files there that the gateway's user could not use.

mod finding;
mod machine;
mod page;
mod places;
mod profiles;
mod running;

use std::sync::Arc;

pub use self::finding::Finding;
use super::{check, instance, usable_profile};
use crate::{
    config::{Config, Sources},
    plugins::{PluginReport, PluginState},
};

/// Runs all checks and passes each finding to `tell` as soon as it is known. Returns true if
/// nothing has to be done. With `open_page`, WhatsApp Web is opened in a browser, unless a gateway
/// is running.
pub async fn examine(
    config: &Config,
    sources: Arc<Sources>,
    open_page: bool,
    mut tell: impl FnMut(&Finding),
) -> bool {
    let mut well = true;
    let mut take = |findings: Vec<Finding>| {
        for finding in findings {
            well &= finding.advice.is_none();
            tell(&finding);
        }
    };
    take(machine::examine(config).await);
    take(places::examine(config));
    take(profiles::examine(config));
    take(plugins(config, Arc::clone(&sources)).await);
    match running::examine(config, &sources)
        .await
        .or_else(|| silent(config))
    {
        Some(findings) => take(findings),
        None if open_page => take(page::examine(config).await),
        None => {}
    }
    well
}

/// Reports a gateway that holds the session path but does not answer. It must not be disturbed
/// either, so no browser is started.
fn silent(config: &Config) -> Option<Vec<Finding>> {
    let (path, port) = (config.sessions.path.display(), config.server.port);
    let holder = instance::holder(&config.sessions.path)?;
    let uses = format!("a gateway uses the session path {path} ({holder})");
    if port == 0 {
        let seen = format!(
            "{uses}, but where it listens is not known: with [server] port = 0 the system has chosen the port"
        );
        return Some(vec![Finding::look(seen, "set a port to check it too")]);
    }
    let seen = format!("{uses}, but none answers on port {port}");
    let advice = "it listens elsewhere, is still starting, or hangs: look at its log; a second gateway cannot be started on the same session path";
    Some(vec![Finding::look(seen, advice)])
}

async fn plugins(config: &Config, sources: Arc<Sources>) -> Vec<Finding> {
    match check::plugins(config, sources).await {
        Ok(reports) if reports.is_empty() => vec![Finding::good("no plugin is enabled")],
        Ok(reports) => reports.iter().flat_map(plugin).collect(),
        Err(error) => vec![Finding::look(
            error.to_string(),
            "the gateway does not start: repair the plugin or its [[plugin]] entry",
        )],
    }
}

/// Reports a plugin, and the settings of its entry that have no effect.
fn plugin(report: &PluginReport) -> Vec<Finding> {
    let seen = check::summary(report);
    let mut findings = vec![match report.state {
        PluginState::Failed(_) => Finding::look(
            seen,
            "the gateway starts without it; see its [[plugin]] entry and its README",
        ),
        // A plugin that is not enabled is not a problem.
        _ => Finding::good(seen),
    }];
    findings.extend(check::unread(report).map(|unread| {
        Finding::look(
            format!("plugin {}: {unread}", report.name),
            "remove the setting from its [[plugin]] entry, or use a plugin that reads it",
        )
    }));
    findings
}
