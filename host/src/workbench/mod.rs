//! `wharf plugin …`: makes, builds, checks, runs, tests and measures plugins for their authors.
//!
//! Components run in the plugin host of the gateway, on its real storage, with its limits: what
//! works here works there. Nothing here needs a `gateway.toml` or a running gateway, so it names
//! none of the rooms that do.

mod answer;
mod building;
mod case;
mod checking;
mod compare;
mod create;
mod event;
#[cfg(test)]
mod fuzz;
mod input;
mod loaded;
mod measure;
mod output;
mod project;
mod running;
mod settings;
mod testing;

use std::path::Path;

pub use self::output::Output;
use crate::cli::Authoring;

/// A command that could not be carried out; the text says why, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct WorkbenchError(String);

impl From<String> for WorkbenchError {
    fn from(reason: String) -> Self {
        Self(reason)
    }
}

/// Carries out a command. `config` is the `gateway.toml` that `--config` names. Returns false if
/// the plugin failed or a test case differs.
///
/// # Errors
/// The command could not be carried out.
pub async fn run(
    command: &Authoring,
    config: Option<&Path>,
    say: Output<'_>,
) -> Result<bool, WorkbenchError> {
    match command {
        Authoring::New(new) => create::project(new, say)?,
        Authoring::Build { folder } => building::command(folder, say)?,
        Authoring::Check { file } => checking::check(file, config, say).await?,
        Authoring::Inspect { file, json } => checking::inspect(file, config, *json, say).await?,
        Authoring::Run(run) => return Ok(running::run(run, config, say).await?),
        Authoring::Test { path, cases } => {
            return Ok(testing::test(path, cases, config, say).await?);
        }
        Authoring::Bench(bench) => measure::bench(bench, config, say).await?,
    }
    Ok(true)
}
