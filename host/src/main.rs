//! The binary `wharf`: parses the command line and runs one command.

use std::{
    fmt::Display,
    io::{self, Write},
    path::Path,
    process::ExitCode,
    sync::Arc,
};

use clap::Parser;
use nix::sys::stat::{Mode, umask};
use procfs::process::Process;
use sha2::{Digest, Sha256};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::error;
use wharf::{
    api, browser,
    cli::{Authoring, Cli, Command, Deliveries, Keys, Kv, Plugin, Profile, Replay},
    config::{self, Config, Scope, Sources},
    gateway::{Gateway, candidate, check, deliveries, doctor, health, kv, profiles, replay},
    model::ClientId,
    telemetry, workbench,
};

fn main() -> ExitCode {
    // Files created from here on, also those of SQLite and Chromium, are accessible only to the
    // user that runs the gateway.
    let usual = umask(Mode::from_bits_truncate(0o077));
    // Checked before anything else: the guard process of a Chromium is this program too, and must
    // stay small.
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|word| word == "guard") {
        return browser::guard::main(args);
    }
    let cli = Cli::parse();
    if let Some(Command::Keys(Keys::New {
        name,
        scopes,
        sessions,
    })) = &cli.command
    {
        new_key(name.as_deref(), scopes, sessions);
        return ExitCode::SUCCESS;
    }
    if matches!(cli.command, Some(Command::Openapi)) {
        say(api::document());
        return ExitCode::SUCCESS;
    }
    if let Some(Command::Plugin(Plugin::Author(command))) = &cli.command {
        // An author's files are not the gateway's: the gateway may run as another user, and has to
        // read the component.
        umask(usual);
        return plugin(command, cli.config.as_deref());
    }
    let loaded = Sources::environment(cli.config_file())
        .and_then(|sources| config::load(&sources).map(|config| (config, sources)));
    let (config, sources) = match loaded {
        Ok((config, sources)) => (config, Arc::new(sources)),
        Err(errors) => {
            complain(format_args!("The configuration is wrong:\n{errors}"));
            // A container's health check may exit only with 0 or 1; other statuses are reserved.
            return ExitCode::from(if matches!(cli.command, Some(Command::Health { .. })) {
                1
            } else {
                2
            });
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(format_args!("cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let done = match cli.command {
        Some(Command::Profile(command)) => profile(&config, &command),
        Some(Command::Deliveries(command)) => {
            runtime.block_on(deliveries(&config, &sources, &command))
        }
        Some(Command::Kv(command)) => runtime.block_on(storage(&config, &sources, &command)),
        Some(Command::Health { live }) => shown(
            runtime
                .block_on(health::run(&config, &sources, live))
                .map(|line| vec![line]),
        ),
        Some(Command::Plugin(Plugin::Replay(command))) => {
            runtime.block_on(replayed(&config, sources, &command))
        }
        Some(Command::Plugin(Plugin::Candidate { plugin, limit })) => {
            shown(runtime.block_on(candidate::run(&config, &sources, &plugin, limit)))
        }
        Some(Command::Check) => runtime.block_on(check(&config, sources)),
        Some(Command::Doctor { offline }) => runtime.block_on(doctor(&config, sources, offline)),
        _ => runtime.block_on(run(config, sources)),
    };
    // Does not wait for blocking tasks, which may still be reading a profile.
    runtime.shutdown_background();
    done
}

async fn run(config: Config, sources: Arc<Sources>) -> ExitCode {
    telemetry::start_log(&config.log);
    let metrics = telemetry::start_metrics();
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => return not_started(format_args!("cannot listen for signals: {error}")),
    };
    // A start may take minutes: it compiles plugins and migrates the database. Both can be cut off
    // at any point, so a signal does not wait for them.
    let started = tokio::select! {
        started = Gateway::start(config, sources, metrics) => started,
        () = signals.stop() => return ExitCode::SUCCESS,
    };
    let mut gateway = match started {
        Ok(gateway) => gateway,
        Err(failure) => return not_started(failure),
    };
    let code = tokio::select! {
        () = signals.stop() => ExitCode::SUCCESS,
        part = gateway.failed() => {
            error!(part, "an essential part of the gateway has ended; the gateway stops, so that it can be restarted");
            complain(format_args!("{part}, an essential part of the gateway, has ended; the gateway stops, so that it can be restarted"));
            ExitCode::FAILURE
        }
    };
    tokio::select! {
        () = gateway.stop() => code,
        // A second Ctrl-C ends the process at once; the guards then close the browsers. No other
        // signal does this: the end of a terminal, or of a systemd service with `SendSIGHUP`, sends
        // several signals together.
        _ = signals.interrupt.recv() => ExitCode::FAILURE,
    }
}

/// The signals that stop the gateway gracefully.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// `None` when the process was started by `nohup` to outlive its terminal.
    hangup: Option<Signal>,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        let hangup = if ignores_hangup() {
            None
        } else {
            Some(signal(SignalKind::hangup())?)
        };
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup,
        })
    }

    async fn stop(&mut self) {
        let hangup = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = hangup => {}
        }
    }
}

/// Whether this process was started with SIGHUP ignored. SIGHUP is the lowest bit of the mask of
/// ignored signals in `/proc/self/stat`.
fn ignores_hangup() -> bool {
    Process::myself()
        .and_then(|process| process.stat())
        .is_ok_and(|stat| stat.sigignore & 1 == 1)
}

/// Reports a failed start in the log and, because the log's level may hide it, on standard error
/// too.
fn not_started(why: impl Display) -> ExitCode {
    error!(error = %why, "the gateway did not start");
    complain(format_args!("the gateway did not start: {why}"));
    ExitCode::FAILURE
}

/// Writes a line to standard output. Ignores errors: a closed pipe is no reason to panic, as
/// `println!` would.
fn say(line: impl Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Writes a line to standard error and ignores errors.
fn complain(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

async fn check(config: &Config, sources: Arc<Sources>) -> ExitCode {
    let read = check::sources(config, &sources);
    match check::plugins(config, sources).await {
        Ok(reports) => {
            say("The configuration is good.");
            read.iter().for_each(say);
            reports.iter().map(check::line).for_each(say);
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(error);
            complain(read.join("\n"));
            ExitCode::from(2)
        }
    }
}

async fn doctor(config: &Config, sources: Arc<Sources>, offline: bool) -> ExitCode {
    let well = doctor::examine(config, sources, !offline, |finding| say(finding)).await;
    if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn profile(config: &Config, command: &Profile) -> ExitCode {
    shown(profiles::run(config, command))
}

fn plugin(command: &Authoring, config: Option<&Path>) -> ExitCode {
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(format_args!("cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let done = runtime.block_on(async {
        tokio::select! {
            done = workbench::run(command, config, &|line| say(line)) => Some(done),
            // What was running is dropped, and with it the temporary folder.
            Ok(()) = tokio::signal::ctrl_c() => None,
        }
    });
    runtime.shutdown_background();
    let Some(done) = done else {
        return ExitCode::from(130);
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            complain(error);
            ExitCode::from(2)
        }
    }
}

async fn deliveries(config: &Config, sources: &Sources, command: &Deliveries) -> ExitCode {
    shown(deliveries::run(config, sources, command).await)
}

async fn storage(config: &Config, sources: &Sources, command: &Kv) -> ExitCode {
    shown(kv::run(config, sources, command).await)
}

/// The exit statuses are those of `diff`.
async fn replayed(config: &Config, sources: Arc<Sources>, command: &Replay) -> ExitCode {
    match replay::run(config, sources, command).await {
        Ok(outcome) => {
            outcome.lines.iter().for_each(say);
            ExitCode::from(u8::from(!outcome.same))
        }
        Err(error) => {
            complain(error);
            ExitCode::from(2)
        }
    }
}

fn shown(done: Result<Vec<String>, impl std::fmt::Display>) -> ExitCode {
    match done {
        Ok(lines) => {
            lines.iter().for_each(say);
            ExitCode::SUCCESS
        }
        Err(error) => {
            complain(error);
            ExitCode::FAILURE
        }
    }
}

/// Makes a key of 256 random bits and prints it together with its configuration entry. The
/// configuration contains only the hash, so the key is shown only this once.
fn new_key(name: Option<&str>, scopes: &[Scope], sessions: &[ClientId]) {
    let key = hex::encode(rand::random::<[u8; 32]>());
    let hash = hex::encode(Sha256::digest(&key));
    let Some(name) = name else {
        return say(format_args!(
            "key:                {key}\nfor [api] keys:     \"sha256:{hash}\""
        ));
    };
    let list = |words: Vec<&str>| {
        words
            .iter()
            .map(|word| format!("{word:?}"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let scopes = if scopes.is_empty() {
        &[Scope::Read, Scope::Send][..]
    } else {
        scopes
    };
    let scopes = list(scopes.iter().map(|scope| scope.as_str()).collect());
    let sessions = if sessions.is_empty() {
        list(vec!["*"])
    } else {
        list(sessions.iter().map(ClientId::as_str).collect())
    };
    say(format_args!(
        "key:                {key}\nfor gateway.toml:\n\n[[api.key]]\nname = {name:?}\nkey = \"sha256:{hash}\"\nscopes = [{scopes}]\nsessions = [{sessions}]"
    ));
}
