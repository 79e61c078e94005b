//! The command line.

use std::{
    env,
    path::{Path, PathBuf},
};

use clap::{Args, Parser, Subcommand};

use crate::{config::Scope, model::ClientId};

/// A self-hosted WhatsApp gateway where extensions dock.
#[derive(Debug, Parser)]
#[command(name = "wharf", version)]
pub struct Cli {
    /// The configuration file. Default: the first that is there of gateway.toml in the working
    /// directory, /etc/wharf/gateway.toml, and ../share/wharf/gateway.toml beside the folder of
    /// this program.
    #[arg(long, short, global = true, env = "WHARF_CONFIG")]
    pub config: Option<PathBuf>,
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What `wharf` can do.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Start the gateway (what happens when nothing is said).
    Run,
    /// Check the configuration and load the plugins, without starting anything.
    Check,
    /// Look at everything a gateway needs and say what to do about what is wrong.
    Doctor {
        /// Do not open WhatsApp Web in a browser. It is not opened anyway while the gateway runs.
        #[arg(long)]
        offline: bool,
    },
    /// Ask the running gateway whether it accepts sends: one line, and exit status 0 or 1.
    Health {
        /// Ask only whether it answers at all.
        #[arg(long)]
        live: bool,
    },
    /// Print the OpenAPI document of this version, which a running gateway answers at
    /// /openapi.json.
    Openapi,
    /// API keys.
    #[command(subcommand)]
    Keys(Keys),
    /// Profiles: the logins on the disk.
    #[command(subcommand)]
    Profile(Profile),
    /// Deliveries of events: what waits for its receiver, and what was given up. Asks the running
    /// gateway.
    #[command(subcommand)]
    Deliveries(Deliveries),
}

/// What can be done with keys.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Keys {
    /// Make a new key: shown once, with what belongs into the configuration. Without a name it may
    /// do everything.
    New {
        /// What logs and refusals call it; it then may do what its scopes say.
        #[arg(long)]
        name: Option<String>,
        /// What it may do: read, send, control, admin, with commas between. Default with a name:
        /// read,send.
        #[arg(long, value_delimiter = ',', requires = "name")]
        scopes: Vec<Scope>,
        /// Client ids of the sessions it may see, with commas between. Default: all.
        #[arg(long, value_delimiter = ',', requires = "name")]
        sessions: Vec<ClientId>,
    },
}

/// What can be done with profiles. A session's browser must not run meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Profile {
    /// Show the profiles, and those set aside.
    List,
    /// Write the profile of a stopped session into one file (.tar.gz). The file is a login: keep it
    /// as a secret.
    Backup {
        /// Whose.
        client: ClientId,
        /// A file that is not there yet.
        file: PathBuf,
    },
    /// Make a profile from a backup.
    Restore {
        /// Whose; there must be no profile of that name.
        client: ClientId,
        /// What `backup` wrote.
        file: PathBuf,
    },
    /// Copy a login of whatsapp-web.js (LocalAuth), so that no QR has to be scanned.
    Adopt {
        /// Its folder: `.wwebjs_auth`, or `session-<id>` below it.
        dir: PathBuf,
        /// Whose it becomes. Default: the id in the folder's name.
        #[arg(long)]
        client: Option<ClientId>,
    },
    /// Set a profile aside; its session begins anew.
    Quarantine {
        /// Whose.
        client: ClientId,
    },
    /// Put a profile back that was set aside.
    BringBack {
        /// As `list` shows it.
        name: String,
    },
}

/// What can be done with deliveries. The gateway must run; `WHARF_API_KEY` is one of its keys,
/// where it asks for one.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Deliveries {
    /// Show the receivers: what waits for each, what is dead, and how it fails.
    Receivers,
    /// Show deliveries, newest first.
    List {
        /// Which.
        #[command(flatten)]
        which: Which,
        /// pending, delivered, dead or stale.
        #[arg(long, default_value = "dead")]
        state: String,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Show one delivery.
    Show {
        /// As `list` shows it.
        id: String,
    },
    /// Deliver again: one, or all that is meant, with all attempts before it.
    Retry {
        /// As `list` shows it.
        #[arg(required_unless_present_any = ["plugin", "target", "since", "until"], conflicts_with_all = ["plugin", "target", "since", "until"])]
        id: Option<String>,
        /// Which.
        #[command(flatten)]
        which: Which,
        /// dead, or pending: what waits is tried now.
        #[arg(long, default_value = "dead")]
        state: String,
    },
    /// Delete for good: one, or all that is meant.
    Purge {
        /// As `list` shows it.
        #[arg(required_unless_present_any = ["plugin", "target", "since", "until"], conflicts_with_all = ["plugin", "target", "since", "until"])]
        id: Option<String>,
        /// Which.
        #[command(flatten)]
        which: Which,
        /// dead, or pending: what waits is not delivered any more.
        #[arg(long, default_value = "dead")]
        state: String,
    },
}

/// Which deliveries.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Which {
    /// Of this notifier.
    #[arg(long)]
    pub plugin: Option<String>,
    /// To this receiver, as the notifier's configuration names it.
    #[arg(long)]
    pub target: Option<String>,
    /// Made then or later: 2026-01-31T09:00:00Z, or milliseconds since 1970.
    #[arg(long)]
    pub since: Option<String>,
    /// Made before.
    #[arg(long)]
    pub until: Option<String>,
}

/// The configuration of a gateway that is installed for a whole machine.
pub const MACHINE_CONFIG: &str = "/etc/wharf/gateway.toml";

impl Cli {
    /// The file to read: the one that was named, or the first that exists of the working
    /// directory's, the machine's, and the one that was installed with this program.
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

/// Where a file is looked for that nobody named, in order.
///
/// The machine's goes before the installed one: that one is replaced by updates, and a copy of it
/// in `/etc` is what the operator has changed.
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
        // What cargo has built is not installed.
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
        <Cli as clap::CommandFactory>::command().debug_assert();
    }
}
