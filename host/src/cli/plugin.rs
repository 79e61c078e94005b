//! The arguments of `wharf plugin …`, the commands for authors of plugins.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, builder::RangedU64ValueParser};

use crate::model::ClientId;

/// Commands about plugins.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Plugin {
    /// Commands for authors.
    #[command(flatten)]
    Author(Authoring),
    /// Ask validators again about a message, or about all messages of a time, with what they were
    /// given then, and say whether they answer the same. Each call is made with the configuration that
    /// the plugin had then; --current-config says what the one of the configuration file would
    /// change. Limits and grants are those of the configuration file. Changes nothing. The exit status is 0 if all answers are the same, 1
    /// if not, 2 if the command cannot run.
    Replay(Replay),
    /// Show how the candidate of a plugin answers compared with the plugin, and the last answers
    /// that differ. Asks the running gateway; if it requires a key, `WHARF_API_KEY` must be one with
    /// the scope `admin`.
    Candidate {
        /// The name of the plugin.
        plugin: String,
        /// The most differences to list.
        #[arg(long, default_value_t = 20, value_parser = RangedU64ValueParser::<usize>::new().range(1..=1000))]
        limit: usize,
    },
}

/// Which calls to make again, and with what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Replay {
    /// The id of the message (out_…), also of one that a plugin rejected.
    #[arg(required_unless_present_any = ["since", "until"], conflicts_with_all = ["since", "until"])]
    pub message: Option<String>,
    /// All decisions stored at this time or later: how long ago (24h), 2026-01-31T09:00:00Z, or
    /// milliseconds since the Unix epoch.
    #[arg(long)]
    pub since: Option<String>,
    /// All decisions stored before this time; default now.
    #[arg(long)]
    pub until: Option<String>,
    /// Only calls of this plugin.
    #[arg(long)]
    pub plugin: Option<String>,
    /// Another version of the plugin: the file of a component. Without it, a call is only made
    /// again with the component that made it.
    #[arg(long)]
    pub component: Option<PathBuf>,
    /// Make the calls with the plugins' configurations of the configuration file (--config names
    /// another one, which must name the same database) in place of those that they had then.
    #[arg(long)]
    pub current_config: bool,
}

/// Commands for authors of plugins. They need no running gateway. They load a component exactly as
/// a gateway does. The exit status is 0 if all is well, 1 if the plugin failed or a case differs,
/// and 2 if the command could not be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Authoring {
    /// Make a project with a source, test cases and a README.
    New(New),
    /// Build the component of a project into its folder `build`.
    Build {
        /// The folder of the project.
        #[arg(default_value = ".")]
        folder: PathBuf,
    },
    /// Load a component with every check of the gateway. `--config` names a gateway.toml with its
    /// `[[plugin]]` entry.
    Check {
        /// The component (.wasm).
        file: PathBuf,
    },
    /// Describe a component: extension points, imports and exports, size, configuration schema,
    /// templates.
    Inspect {
        /// The component (.wasm).
        file: PathBuf,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Call a component with written inputs and print its answers, its log lines and what each call
    /// cost. With several inputs, they share one key-value storage, which is empty at first.
    Run(Run),
    /// Run the test cases of a project, after building it, or those for a component.
    Test {
        /// The folder of the project, or a component (.wasm).
        #[arg(default_value = ".")]
        path: PathBuf,
        /// A file with a case, or a folder of such files. Default: `tests/cases` in the folder of
        /// the project; for a component, in the working directory.
        #[arg(long)]
        cases: Vec<PathBuf>,
    },
    /// Measure full calls of a component: time, CPU time and memory.
    Bench(Bench),
}

/// What to make.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct New {
    /// The folder to create. It must be empty if it exists.
    pub folder: PathBuf,
    /// The name of the plugin in kebab case. Default: the name of the folder.
    #[arg(long)]
    pub name: Option<String>,
    /// The language of the source.
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    pub language: Language,
    /// The extension point; may be repeated. Default: validator.
    #[arg(long = "point", value_enum)]
    pub points: Vec<Point>,
    /// Where the Rust SDK is: a folder, or the URL of a git repository. Default: the SDK that was
    /// installed with this program, or the one of the repository in which it was built.
    #[arg(long)]
    pub sdk: Option<String>,
}

/// A language for which `wharf plugin new` has a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// With the SDK `wharf-plugin`.
    Rust,
    /// With componentize-js.
    Javascript,
    /// With componentize-py.
    Python,
}

/// An extension point, by its WIT world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Point {
    /// Decides whether a message may be sent.
    Validator,
    /// Renders templates.
    Templater,
    /// Decides who is notified of events, and builds the HTTP requests.
    Notifier,
}

/// Which component is called, and how.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Called {
    /// The component (.wasm).
    pub file: PathBuf,
    /// A JSON file with one input or several, one after another; `-` reads standard input. A
    /// message has the form of `POST /v1/sessions/{id}/messages`.
    #[arg(long, required = true)]
    pub input: Vec<PathBuf>,
    /// The extension point that is to be called. Default: the one that the input is for.
    #[arg(long, value_enum)]
    pub point: Option<Point>,
    /// Grants as in gateway.toml, in place of those of the entry: `kv = "1MiB", secrets = ["KEY"]`.
    #[arg(long)]
    pub grants: Option<String>,
    /// The session of the calls.
    #[arg(long, default_value = "default")]
    pub session: ClientId,
    /// The time of the calls: RFC 3339. Default: the present time.
    #[arg(long)]
    pub now: Option<String>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// What to run.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Run {
    /// Which component, and how.
    #[command(flatten)]
    pub called: Called,
}

/// What to measure.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct Bench {
    /// Which component, and how. Exactly one input.
    #[command(flatten)]
    pub called: Called,
    /// How often the input is given, from 1 to 1000000.
    #[arg(long, default_value_t = 1000, value_parser = RangedU64ValueParser::<u64>::new().range(1..=1_000_000))]
    pub calls: u64,
    /// Measure for this many seconds instead, from 1 to 3600.
    #[arg(long, conflicts_with = "calls", value_parser = RangedU64ValueParser::<u64>::new().range(1..=3600))]
    pub seconds: Option<u64>,
}
