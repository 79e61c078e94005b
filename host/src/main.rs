//! The command line of the gateway.

use std::{process::ExitCode, sync::Arc};

use clap::Parser;
use sha2::{Digest, Sha256};
use tokio::signal::unix::{SignalKind, signal};
use tracing::error;
use wharf::{
    browser,
    cli::{Cli, Command, Deliveries, Keys, Profile},
    config::{self, Config, Scope, Sources},
    gateway::{Gateway, check, deliveries, doctor, profiles},
    model::ClientId,
    telemetry,
};

fn main() -> ExitCode {
    // First of all: the guard of a Chromium is this program too, and must stay small.
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|word| word == "guard") {
        return browser::guard::main(args);
    }
    let cli = Cli::parse();
    if let Some(Command::Keys(Keys::New { name, scopes, sessions })) = &cli.command {
        new_key(name.as_deref(), scopes, sessions);
        return ExitCode::SUCCESS;
    }
    let loaded = Sources::environment(cli.config_file()).and_then(|sources| config::load(&sources).map(|config| (config, sources)));
    let (config, sources) = match loaded {
        Ok((config, sources)) => (config, Arc::new(sources)),
        Err(errors) => {
            eprintln!("The configuration is wrong:\n{errors}");
            return ExitCode::from(2);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    let done = match cli.command {
        Some(Command::Profile(command)) => profile(&config, &command),
        Some(Command::Deliveries(command)) => runtime.block_on(deliveries(&config, &sources, &command)),
        Some(Command::Check) => runtime.block_on(check(&config, sources)),
        Some(Command::Doctor { offline }) => runtime.block_on(doctor(&config, sources, offline)),
        _ => runtime.block_on(run(config, sources)),
    };
    // Blocking tasks that are still reading a profile are not worth waiting for.
    runtime.shutdown_background();
    done
}

async fn run(config: Config, sources: Arc<Sources>) -> ExitCode {
    telemetry::start_log(&config.log);
    let metrics = telemetry::start_metrics();
    let (interrupt, terminate) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    let (Ok(mut interrupt), Ok(mut terminate)) = (interrupt, terminate) else {
        error!("cannot listen for signals");
        return ExitCode::FAILURE;
    };
    let mut gateway = match Gateway::start(config, sources, metrics).await {
        Ok(gateway) => gateway,
        Err(failure) => {
            error!(error = %failure, "the gateway did not start");
            return ExitCode::FAILURE;
        }
    };
    let code = tokio::select! {
        _ = interrupt.recv() => ExitCode::SUCCESS,
        _ = terminate.recv() => ExitCode::SUCCESS,
        part = gateway.failed() => {
            error!(part, "a part of the gateway has ended that it cannot go on without; it stops, to be started anew");
            ExitCode::FAILURE
        }
    };
    tokio::select! {
        () = gateway.stop() => code,
        // Asked twice: at once. The guards close the browsers.
        _ = interrupt.recv() => ExitCode::FAILURE,
    }
}

async fn check(config: &Config, sources: Arc<Sources>) -> ExitCode {
    match check::plugins(config, sources).await {
        Ok(lines) => {
            println!("The configuration is good.");
            lines.iter().for_each(|line| println!("{line}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

async fn doctor(config: &Config, sources: Arc<Sources>, offline: bool) -> ExitCode {
    let well = doctor::examine(config, sources, !offline, |finding| println!("{finding}")).await;
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn profile(config: &Config, command: &Profile) -> ExitCode {
    shown(profiles::run(config, command))
}

async fn deliveries(config: &Config, sources: &Sources, command: &Deliveries) -> ExitCode {
    shown(deliveries::run(config, sources, command).await)
}

fn shown(done: Result<Vec<String>, impl std::fmt::Display>) -> ExitCode {
    match done {
        Ok(lines) => {
            lines.iter().for_each(|line| println!("{line}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// 256 random bits. Only the hash goes into the file; the key is shown this once.
fn new_key(name: Option<&str>, scopes: &[Scope], sessions: &[ClientId]) {
    let key = hex::encode(rand::random::<[u8; 32]>());
    let hash = hex::encode(Sha256::digest(&key));
    println!("key:                {key}");
    let Some(name) = name else {
        println!("for [api] keys:     \"sha256:{hash}\"");
        return;
    };
    let list = |words: Vec<&str>| words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ");
    let scopes = if scopes.is_empty() { &[Scope::Read, Scope::Send][..] } else { scopes };
    let scopes = list(scopes.iter().map(|scope| scope.as_str()).collect());
    let sessions = if sessions.is_empty() { list(vec!["*"]) } else { list(sessions.iter().map(ClientId::as_str).collect()) };
    println!("for gateway.toml:\n\n[[api.key]]\nname = {name:?}\nkey = \"sha256:{hash}\"\nscopes = [{scopes}]\nsessions = [{sessions}]");
}
