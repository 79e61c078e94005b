//! What needs unmodified clients: the run of whatsapp-web.js on the stand-in (`tests/peer`), and
//! the adoption of its login; with `versions`, the runs of its other versions and of wa-js. A
//! program and no test, because npm has to install them before: `cargo xtask test` and `cargo xtask
//! peers` do both.

mod adoption;
mod versions;

use std::{path::PathBuf, process::ExitStatus, time::Duration};

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use tokio::process::Command;
use wharf_standin::{Options, Standin};

/// The runs have a deadline for each of their steps; this one is for a run that hangs all the same.
const LIMIT: Duration = Duration::from_secs(300);

/// Unmodified clients of WhatsApp Web on the stand-in; by itself whatsapp-web.js, and its login in
/// the gateway.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// What `tests/peer/versions` has installed.
    Versions {
        /// Only those whose name contains this.
        #[arg(long)]
        only: Option<String>,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    match Args::parse().what {
        Some(What::Versions { only }) => versions::run(only.as_deref()).await,
        None => peer().await,
    }
}

async fn peer() -> Result<()> {
    let standin = Standin::start(Options {
        tls_port: Some(0),
        ..Options::default()
    })
    .await?;
    let status = node("run.mjs", &standin, &[]).await?;
    for report in standin.view().reports {
        eprintln!("the page reported: {report}");
    }
    ensure!(
        status.success(),
        "whatsapp-web.js on the stand-in: {status}"
    );
    adoption::run()
        .await
        .context("adoption of a login of whatsapp-web.js")
}

/// Runs a script of `tests/peer` against a stand-in.
async fn node(script: &str, standin: &Standin, args: &[&str]) -> Result<ExitStatus> {
    let port = standin
        .tls_port()
        .context("the stand-in has no HTTPS front")?;
    let mut node = Command::new("node");
    node.args([
        script,
        "--tls-port",
        &port.to_string(),
        "--control",
        &format!("{}_control/", standin.url()),
    ])
    .args(args);
    let status = tokio::time::timeout(
        LIMIT,
        node.current_dir(folder()).kill_on_drop(true).status(),
    )
    .await;
    status
        .with_context(|| format!("{script} hangs"))?
        .context("cannot start node")
}

/// `tests/peer`.
fn folder() -> PathBuf {
    wharf_e2e::project::root().join("tests/peer")
}
