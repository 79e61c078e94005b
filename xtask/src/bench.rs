//! `cargo xtask bench`: builds and runs the gateway's benchmarks, optimised.

use std::{path::PathBuf, process::Command};

use anyhow::{Result, bail};

use crate::{cargo, packages, plugins, polyglot, project, setup, step, test};

const USAGE: &str = "cargo xtask bench <name>

  startup [--rounds N]                time from start to QR code and from restart to ready, beside whatsapp-web.js
  memory [--browser 'kind = \"…\"']     private memory of 1, 2 and 4 sessions, beside whatsapp-web.js
  page [--rounds N] [--received N]    sends through the page and messages into one chat, beside whatsapp-web.js and a bare call
  chaos [--messages N] [--seed N]     8 clients that retry while gateway, browser, renderer and network fail
  soak [--minutes N] [--seed N]       3 sessions, messages both ways, a random fault every few seconds
  hostile [--seconds N] [--callers N] a plugin that behaves well, alone and beside plugins that use all they may
  hooks [--rounds N] [--calls N]      one rule as a plugin in Rust, JavaScript and Python, natively, in a Node worker and over HTTP
  plugin-start [--rounds N]           the start of the plugin host with a warm cache, and its parts
  swap [--seconds N]                  two plugins exchanged again and again under load
  accept [--validators]               durable accepts per second, beside plain inserts and the Express peer; or the cost of three validators
  criterion [options of criterion]    single parts of the gateway";

/// Benchmarks of the running gateway; see `tests/bench`.
const WHOLE: [&str; 9] = [
    "startup",
    "memory",
    "page",
    "chaos",
    "soak",
    "hostile",
    "hooks",
    "plugin-start",
    "swap",
];
/// Benchmarks that also need the test guests.
const WITH_GUESTS: [&str; 3] = ["hooks", "swap", "hostile"];
/// Benchmarks that also measure whatsapp-web.js.
const WITH_PEER: [&str; 3] = ["startup", "memory", "page"];

pub(crate) fn run(args: &[String]) -> Result<()> {
    let Some((name, rest)) = args.split_first() else {
        println!("{USAGE}");
        return Ok(());
    };
    if name == "criterion" {
        setup::make()?;
        plugins::run()?;
        eprintln!("  Building with optimisation: about 25 minutes the first time on two cores");
        let benches = [
            "--bench",
            "plugins",
            "--bench",
            "outbox",
            "--bench",
            "retention",
            "--",
        ];
        return step::become_program(
            project::cargo()
                .arg("bench")
                .args(selection())
                .args(benches)
                .args(rest),
        );
    }
    if name == "accept" {
        setup::tools()?;
        if rest.iter().any(|arg| arg == "--validators") {
            test::guests()?;
        } else {
            test::install_peer()?;
        }
        build()?;
        return step::become_program(
            project::clean(Command::new(program("wharf-bench-accept"))).args(rest),
        );
    }
    if !WHOLE.contains(&name.as_str()) {
        bail!("unknown benchmark {name:?}\n\n{USAGE}");
    }
    setup::tools()?;
    if WITH_PEER.contains(&name.as_str()) {
        test::install_peer()?;
    }
    if WITH_GUESTS.contains(&name.as_str()) {
        test::guests()?;
    }
    if name == "hooks" {
        setup::node()?;
        polyglot::run()?;
    }
    build()?;
    step::become_program(project::clean(Command::new(program("wharf-bench"))).args(args))
}

fn build() -> Result<()> {
    setup::make()?;
    let mut args = vec!["build", "--release", "--bins"];
    args.extend(selection());
    cargo::build("Gateway and benches, optimised", &args)
}

/// The package selection, which is the same for every benchmark.
fn selection() -> Vec<&'static str> {
    packages::select(packages::HOST.into_iter().chain(packages::BENCHES))
}

fn program(name: &str) -> PathBuf {
    project::target().join("release").join(name)
}
