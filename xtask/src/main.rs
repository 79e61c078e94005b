//! `cargo xtask <verb>`: everything one does with this repository, one file per verb.
//!
//! Every verb runs what it needs of the others, so none has to be run first.

mod bench;
mod cargo;
mod ci;
mod demo;
mod dist;
mod faults;
mod guests;
mod image;
mod install;
mod js;
mod layout;
mod numbers;
mod openapi;
mod packages;
mod peers;
mod picture;
mod plugins;
mod project;
mod python;
mod real_page;
mod setup;
mod standin;
mod step;
mod test;
mod tools;
mod up;

use std::{env, process::ExitCode};

use anyhow::{Result, bail};

const USAGE: &str = "cargo xtask <verb>

  demo [--once] [--port N]            everything at once, on a stand-in for WhatsApp: QR, scan, sends, acks, webhooks
  up [--standin] [--config <file>]    the gateway with gateway.toml, on the real WhatsApp Web or on the stand-in
  setup             WebAssembly target, Chromium, plugins, gateway; the other verbs run it themselves
  plugins           builds the bundled plugins into plugins/*.wasm
  standin [--port N] [--tls-port N]   the stand-in alone, for any client
  test              every test, whatsapp-web.js on the stand-in included
  peers [--only <part of a name>]     other versions of whatsapp-web.js, and wa-js, on the stand-in
  faults [--only <part of a name>] [--write]   makes every fault there is and says what became of it
  openapi [--only <page, client, ready or unlinked>]   the API's document held against the running gateway, and a client made from it
  real-page --serve '<command with {port}>'   the gateway on another page, e.g. WhatsApp Web's own modules; --help says what it needs
  bench <name>      startup, memory, page, accept, chaos, soak, criterion: see cargo xtask bench
  install [--prefix <folder>]         puts `wharf` on the PATH, optimised, with plugins and configuration
  dist              an archive with gateway, plugins, unit and docs, in target/dist
  image --try       carries out the Dockerfile, runs the image, links, sends, stops; --write: deploy/railway.Dockerfile
  ci                what is checked before a change lands: fmt, clippy, docs, js, test
  js                types of the bridge script, and lint of all JavaScript of ours
  python            builds the plugin in Python of sdk/python and tries it in the gateway
  numbers           writes the plugins' table of numbering plans anew, after an update of the library
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
        bail!("this is no copy of Wharf's repository: run it there, as `cargo xtask {verb}`");
    }
    env::set_current_dir(project::root())?;
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
    );
    if let (false, Some(word)) = (takes_arguments, rest.first()) {
        bail!("{verb} takes no {word:?}\n\n{USAGE}");
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
        "ci" => ci::run(),
        "js" => js::run(),
        "picture" => picture::run(),
        "python" => python::run(),
        "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(())
        }
        other => bail!("no verb {other:?}\n\n{USAGE}"),
    }
}
