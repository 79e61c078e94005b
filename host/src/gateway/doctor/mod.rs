//! `wharf doctor`: looks at everything a gateway needs and says what to do about what is wrong.
//!
//! It changes nothing and disturbs nobody: where a gateway runs on this configuration it is asked
//! through its own API; only where none runs is a browser started, on a profile of its own that is
//! thrown away.

mod finding;
mod machine;
mod page;
mod profiles;
mod running;

use std::sync::Arc;

pub use self::finding::Finding;
use super::{check, instance, usable_profile};
use crate::{
    config::{Config, Sources},
    plugins::PluginState,
};

/// Looks at everything; `tell` hears each finding when it is there. True: nothing has to be done.
/// `open_page`: WhatsApp Web is opened in a browser, unless a gateway runs.
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
    take(profiles::examine(config));
    take(plugins(config, Arc::clone(&sources)).await);
    match running::examine(config, &sources)
        .await
        .or_else(|| silent(config))
    {
        Some(findings) => take(findings),
        None if open_page => take(vec![page::examine(config).await]),
        None => {}
    }
    well
}

/// A gateway that uses the session path and does not answer: it must not be disturbed either.
fn silent(config: &Config) -> Option<Vec<Finding>> {
    let (path, port) = (config.sessions.path.display(), config.server.port);
    let seen = format!(
        "a gateway uses the session path {path} ({}), and none answers on port {port}",
        instance::holder(&config.sessions.path)?
    );
    let advice = "it listens elsewhere, is just starting, or hangs: look at its log; no second one starts beside it";
    Some(vec![Finding::look(seen, advice)])
}

async fn plugins(config: &Config, sources: Arc<Sources>) -> Vec<Finding> {
    match check::plugins(config, sources).await {
        Ok(reports) if reports.is_empty() => vec![Finding::good("no plugin is enabled")],
        Ok(reports) => reports
            .iter()
            .map(|report| match report.state {
                PluginState::Failed(_) => Finding::look(
                    check::line(report),
                    "the gateway starts without it; see its [[plugin]] entry and its README",
                ),
                // One that nobody has enabled is no fault.
                _ => Finding::good(check::line(report)),
            })
            .collect(),
        Err(error) => vec![Finding::look(
            error.to_string(),
            "the gateway does not start: mend the plugin or its [[plugin]] entry",
        )],
    }
}
