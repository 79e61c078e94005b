//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// A self-hosted WhatsApp gateway where extensions dock.
#[derive(Debug, Parser)]
#[command(name = "wharf", version)]
pub struct Cli {
    /// The configuration file. Default: gateway.toml, if there is one.
    #[arg(long, short, global = true, env = "WHARF_CONFIG")]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What `wharf` can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Start the gateway (what happens when nothing is said).
    Run,
    /// Check the configuration and load the plugins, without starting anything.
    Check,
    /// Say what this machine lacks.
    Doctor,
    /// API keys.
    #[command(subcommand)]
    Keys(Keys),
}

/// What can be done with keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum Keys {
    /// Make a new key: shown once, with the line for `[api] keys`.
    New,
}

impl Cli {
    /// The file to read: the one that was named, or `gateway.toml` where it exists.
    #[must_use]
    pub fn config_file(&self) -> Option<PathBuf> {
        self.config.clone().or_else(|| Some(PathBuf::from("gateway.toml")).filter(|path| path.is_file()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_said_means_run() {
        let cli = Cli::parse_from(["wharf", "--config", "x.toml"]);
        assert_eq!((cli.command, cli.config_file()), (None, Some("x.toml".into())));
        assert_eq!(Cli::parse_from(["wharf", "keys", "new"]).command, Some(Command::Keys(Keys::New)));
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
