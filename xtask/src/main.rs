//! `cargo xtask <verb>`: the tasks of this repository, one file per verb.
//!
//! Every verb runs the other verbs that it needs, so none has to be run first.

mod bench;
mod cargo;
mod ci;
mod demo;
mod dist;
mod faults;
mod fuzz;
mod guests;
mod image;
mod install;
mod js;
mod layout;
mod numbers;
mod openapi;
mod package;
mod packages;
mod peers;
mod picture;
mod plugins;
mod polyglot;
mod project;
mod python;
mod real_page;
mod sdk;
mod setup;
mod standin;
mod step;
mod test;
mod tools;
mod up;

use std::{env, process::ExitCode};

use anyhow::{Result, bail};

const USAGE: &str = "cargo xtask <verb>

  demo [--once] [--port N]            the whole gateway on a stand-in for WhatsApp: QR, scan, sends, acks, webhooks
  up [--standin] [--config <file>]    the gateway with gateway.toml, on the real WhatsApp Web or on the stand-in
  setup             WebAssembly target, Chromium, plugins, gateway; the other verbs run it themselves
  plugins           builds the bundled plugins into plugins/*.wasm
  standin [--port N] [--tls-port N]   the stand-in alone, for any client
  test              every test, whatsapp-web.js on the stand-in included
  peers [--only <part of a name>]     other versions of whatsapp-web.js, and wa-js, on the stand-in
  faults [--only <part of a name>] [--write]   causes every known fault and reports its outcome
  openapi [--only <page, client, ready or unlinked>]   checks the OpenAPI document against the running gateway, with a client generated from it
  real-page --serve '<command with {port}>'   the gateway on another page, e.g. WhatsApp Web's own modules; --help describes the server
  bench <name>      startup, memory, page, accept, chaos, soak, criterion: see cargo xtask bench
  install [--prefix <folder>]         puts `wharf` on the PATH, optimised, with plugins and configuration
  dist              an archive with gateway, plugins, unit and docs, in target/dist
  image --try       builds the image of the Dockerfile, runs it, links, sends, stops; --write: deploy/railway.Dockerfile
  fuzz [--seconds N]                  changes configurations, components and values at random, for N seconds per target
  ci                every check before a change is merged: fmt, clippy, docs, js, test
  js                types of the bridge script, and lint of this repository's JavaScript
  polyglot          builds the plugins of tests/polyglot, in JavaScript and Python, if they have changed
  python            builds the Python plugin of sdk/python and tries it in the gateway
  numbers           rewrites the plugins' table of numbering plans, after an update of the library
  picture           records the demo into docs/demo.svg";

fn main() -> ExitCode {
    match run(&env::args().skip(1).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nxtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<()> {
    let (verb, rest) = args
        .split_first()
        .map_or(("help", &[][..]), |(verb, rest)| (verb.as_str(), rest));
    if !project::is_repository(project::root()) {
        bail!("this is not Wharf's repository; run `cargo xtask {verb}` inside of it");
    }
    project::go_to_root()?;
    let takes_arguments = matches!(
        verb,
        "demo"
            | "up"
            | "standin"
            | "peers"
            | "faults"
            | "openapi"
            | "bench"
            | "real-page"
            | "dist"
            | "install"
            | "image"
            | "fuzz"
    );
    if let (false, Some(word)) = (takes_arguments, rest.first()) {
        bail!("{verb} has no argument {word:?}\n\n{USAGE}");
    }
    match verb {
        "setup" => setup::run(),
        "plugins" => plugins::run(),
        "numbers" => numbers::run(),
        "demo" => demo::run(rest),
        "up" => up::run(rest),
        "standin" => standin::run(rest),
        "test" => test::run(),
        "peers" => peers::run(rest),
        "faults" => faults::run(rest),
        "bench" => bench::run(rest),
        "real-page" => real_page::run(rest),
        "dist" => dist::run(rest),
        "install" => install::run(rest),
        "image" => image::run(rest),
        "openapi" => openapi::run(rest),
        "fuzz" => fuzz::run(rest),
        "ci" => ci::run(),
        "js" => js::run(),
        "picture" => picture::run(),
        "python" => python::run(),
        "polyglot" => polyglot::run(),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(())
        }
        other => bail!("unknown verb {other:?}\n\n{USAGE}"),
    }
}
