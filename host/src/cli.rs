//! The arguments of the command line.

mod kv;
mod plugin;

use std::{
    env,
    path::{Path, PathBuf},
};

use clap::{Args, Parser, Subcommand, builder::RangedU64ValueParser};

pub use self::{
    kv::{Kv, Place},
    plugin::{Authoring, Bench, Called, Language, New, Plugin, Point, Replay, Run},
};
use crate::{config::Scope, model::ClientId};

/// A self-hosted WhatsApp gateway where extensions dock.
#[derive(Debug, Parser)]
#[command(name = "wharf", version)]
pub struct Cli {
    /// The configuration file. Default: the first that exists of gateway.toml in the working
    /// directory, /etc/wharf/gateway.toml, and, if this program is in a folder called bin,
    /// ../share/wharf/gateway.toml relative to it.
    #[arg(long, short, global = true, env = "WHARF_CONFIG")]
    pub config: Option<PathBuf>,
    /// The command. Without one the gateway is started.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands of `wharf`.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Start the gateway. This is the default if no command is given.
    Run,
    /// Check the configuration and load the plugins, without starting the gateway.
    Check,
    /// Examine everything that a gateway needs, and say how to fix each problem.
    Doctor {
        /// Do not open WhatsApp Web in a browser. While the gateway runs, it is not opened in any
        /// case.
        #[arg(long)]
        offline: bool,
    },
    /// Ask the running gateway whether it accepts messages. Prints one line; the exit status is 0
    /// if it does, otherwise 1.
    Health {
        /// Ask only whether the gateway answers at all.
        #[arg(long)]
        live: bool,
    },
    /// Print the OpenAPI document of this version. A running gateway provides it at /openapi.json.
    Openapi,
    /// Create API keys.
    #[command(subcommand)]
    Keys(Keys),
    /// List, back up, restore, adopt and set aside profiles, which contain the logins of the
    /// sessions.
    #[command(subcommand)]
    Profile(Profile),
    /// List, retry and delete deliveries of events: those that wait for their receiver, and dead
    /// letters. Asks the running gateway.
    #[command(subcommand)]
    Deliveries(Deliveries),
    /// Make, build, check, run, test and measure plugins, without a gateway; and ask plugins again
    /// about messages that they have judged.
    #[command(subcommand)]
    Plugin(Plugin),
    /// Read and change the key-value storage of plugins. Asks the running gateway.
    #[command(subcommand)]
    Kv(Kv),
}

/// Commands about API keys.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Keys {
    /// Create a new key. It is shown once, with the lines for the configuration. A key without a
    /// name may do everything.
    New {
        /// The name of the key in logs and error messages. A key with a name may do what its scopes
        /// allow.
        #[arg(long)]
        name: Option<String>,
        /// What the key may do: read, send, control, admin, separated by commas. Default with a
        /// name: read,send.
        #[arg(long, value_delimiter = ',', requires = "name")]
        scopes: Vec<Scope>,
        /// Client ids of the sessions that the key is for, separated by commas. Default: all
        /// sessions.
        #[arg(long, value_delimiter = ',', requires = "name")]
        sessions: Vec<ClientId>,
    },
}

/// What can be done with profiles. The browser of the session must not run meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Profile {
    /// List the profiles, and those that were set aside.
    List,
    /// Write the profile of a stopped session into one file (.tar.gz). The file contains the login,
    /// so keep it secret.
    Backup {
        /// The client id of the session.
        client: ClientId,
        /// The file to create. It must not exist yet.
        file: PathBuf,
    },
    /// Create a profile from a backup.
    Restore {
        /// The client id of the session. It must not have a profile yet.
        client: ClientId,
        /// The file that `backup` has written.
        file: PathBuf,
    },
    /// Copy a login of whatsapp-web.js (LocalAuth), so that no QR code has to be scanned.
    Adopt {
        /// The folder of the login: `.wwebjs_auth`, or `session-<id>` in it.
        dir: PathBuf,
        /// The client id of the new profile. Default: the id in the folder's name; for a folder
        /// without one, the default client.
        #[arg(long)]
        client: Option<ClientId>,
    },
    /// Set a profile aside. Its session then starts without a login.
    Quarantine {
        /// The client id of the session.
        client: ClientId,
    },
    /// Put back a profile that was set aside.
    BringBack {
        /// The name that `list` shows.
        name: String,
    },
}

/// What can be done with deliveries. The gateway must run. If it requires a key, `WHARF_API_KEY`
/// must be one of its keys.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Deliveries {
    /// List the receivers, each with its waiting deliveries, its dead letters, and why it fails.
    Receivers,
    /// List deliveries, newest first.
    List {
        /// Which deliveries.
        #[command(flatten)]
        which: Which,
        /// The state of the deliveries: pending, delivered, dead or stale.
        #[arg(long, default_value = "dead")]
        state: String,
        /// The most deliveries to list, at least 1.
        #[arg(long, default_value_t = 50, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
        limit: usize,
    },
    /// Show one delivery.
    Show {
        /// The id that `list` shows.
        id: String,
    },
    /// Deliver again, with the full number of attempts: one delivery, or all that the options
    /// select.
    Retry {
        /// The id that `list` shows.
        #[arg(required_unless_present_any = ["plugin", "target", "since", "until"], conflicts_with_all = ["plugin", "target", "since", "until"])]
        id: Option<String>,
        /// Which deliveries.
        #[command(flatten)]
        which: Which,
        /// The state of the deliveries: dead, or pending to try waiting deliveries now.
        #[arg(long, default_value = "dead")]
        state: String,
    },
    /// Delete permanently: one delivery, or all that the options select.
    Purge {
        /// The id that `list` shows.
        #[arg(required_unless_present_any = ["plugin", "target", "since", "until"], conflicts_with_all = ["plugin", "target", "since", "until"])]
        id: Option<String>,
        /// Which deliveries.
        #[command(flatten)]
        which: Which,
        /// The state of the deliveries: dead, or pending to delete waiting deliveries, which are
        /// then not delivered.
        #[arg(long, default_value = "dead")]
        state: String,
    },
}

/// Selects deliveries; every option that is set must match.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Which {
    /// Only deliveries of this notifier.
    #[arg(long)]
    pub plugin: Option<String>,
    /// Only deliveries to this receiver, by its name in the configuration of the notifier.
    #[arg(long)]
    pub target: Option<String>,
    /// Only deliveries created at this time or later: 2026-01-31T09:00:00Z, or milliseconds since
    /// the Unix epoch.
    #[arg(long)]
    pub since: Option<String>,
    /// Only deliveries created before this time.
    #[arg(long)]
    pub until: Option<String>,
}

/// The configuration file of a gateway that is installed for the whole machine.
pub const MACHINE_CONFIG: &str = "/etc/wharf/gateway.toml";

impl Cli {
    /// The file to read: `--config` if it is set. Otherwise the first file that exists of the one
    /// in the working directory, the machine's, and the one that was installed with this program.
    #[must_use]
    pub fn config_file(&self) -> Option<PathBuf> {
        let program = env::current_exe().ok();
        self.config.clone().or_else(|| {
            unnamed(program.as_deref())
                .into_iter()
                .find(|path| path.is_file())
        })
    }
}

/// The files that are searched when `--config` is not set, in order.
///
/// The machine's file precedes the installed one, which updates replace: operators edit a copy of
/// it in `/etc`.
fn unnamed(program: Option<&Path>) -> Vec<PathBuf> {
    let prefix = program
        .and_then(Path::parent)
        .filter(|folder| folder.ends_with("bin"))
        .and_then(Path::parent);
    let installed = prefix.map(|prefix| prefix.join("share/wharf/gateway.toml"));
    ["gateway.toml", MACHINE_CONFIG]
        .into_iter()
        .map(PathBuf::from)
        .chain(installed)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_nobody_named_is_found_where_an_installation_puts_it() {
        let all = |program: Option<&str>| {
            unnamed(program.map(Path::new))
                .iter()
                .map(|path| path.display().to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            all(Some("/opt/w/bin/wharf")),
            [
                "gateway.toml",
                "/etc/wharf/gateway.toml",
                "/opt/w/share/wharf/gateway.toml"
            ]
        );
        // A program that cargo has built is not installed.
        assert_eq!(
            all(Some("/src/wharf/target/debug/wharf")),
            ["gateway.toml", "/etc/wharf/gateway.toml"]
        );
        assert_eq!(all(None), ["gateway.toml", "/etc/wharf/gateway.toml"]);
    }

    #[test]
    fn nothing_said_means_run() {
        let cli = Cli::parse_from(["wharf", "--config", "x.toml"]);
        assert_eq!(
            (&cli.command, cli.config_file()),
            (&None, Some("x.toml".into()))
        );
        assert_eq!(
            Cli::parse_from(["wharf", "keys", "new"]).command,
            Some(Command::Keys(Keys::New {
                name: None,
                scopes: vec![],
                sessions: vec![]
            }))
        );
        let key = Cli::parse_from([
            "wharf",
            "keys",
            "new",
            "--name",
            "crm",
            "--scopes",
            "read,send",
            "--sessions",
            "sales",
        ])
        .command;
        let (scopes, sessions) = (
            vec![Scope::Read, Scope::Send],
            vec!["sales".parse().expect("id")],
        );
        assert_eq!(
            key,
            Some(Command::Keys(Keys::New {
                name: Some("crm".into()),
                scopes,
                sessions
            }))
        );
        assert!(
            Cli::try_parse_from(["wharf", "keys", "new", "--scopes", "read"]).is_err(),
            "scopes are of a key with a name"
        );
        assert!(
            Cli::try_parse_from(["wharf", "keys", "new", "--name", "x", "--scopes", "write"])
                .is_err(),
            "no scope"
        );
        let adopt =
            Cli::parse_from(["wharf", "profile", "adopt", "old", "--client", "shop"]).command;
        let wanted = Profile::Adopt {
            dir: "old".into(),
            client: Some("shop".parse().expect("id")),
        };
        assert_eq!(adopt, Some(Command::Profile(wanted)));
        assert!(
            Cli::try_parse_from(["wharf", "profile", "backup", "../x", "f"]).is_err(),
            "not a client id"
        );
        let retry = |words: &[&str]| {
            Cli::try_parse_from(["wharf", "deliveries", "retry"].iter().chain(words))
        };
        let which = Which {
            target: Some("crm".into()),
            since: Some("2026-01-31T09:00:00Z".into()),
            ..Which::default()
        };
        let wanted = Deliveries::Retry {
            id: None,
            which,
            state: "dead".into(),
        };
        let all = retry(&["--target", "crm", "--since", "2026-01-31T09:00:00Z"]).expect("good");
        assert_eq!(all.command, Some(Command::Deliveries(wanted)));
        assert!(
            retry(&["dlv_1"]).is_ok()
                && retry(&[]).is_err()
                && retry(&["dlv_1", "--target", "crm"]).is_err(),
            "one, or which"
        );
        let list =
            |limit: &str| Cli::try_parse_from(["wharf", "deliveries", "list", "--limit", limit]);
        assert!(list("1").is_ok() && list("0").is_err() && list("-1").is_err());
        let replay =
            |words: &[&str]| Cli::try_parse_from(["wharf", "plugin", "replay"].iter().chain(words));
        assert!(
            replay(&["out_1", "--component", "x.wasm"]).is_ok()
                && replay(&["--since", "24h", "--plugin", "p"]).is_ok()
                && replay(&["--plugin", "p"]).is_err()
                && replay(&["out_1", "--since", "24h"]).is_err(),
            "one message, or a time"
        );
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
