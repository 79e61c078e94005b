//! Runs unmodified clients on the stand-in: whatsapp-web.js (`tests/peer`) and the adoption of its
//! login; with `versions`, other versions of whatsapp-web.js and wa-js. It is a program and not a
//! test, because npm has to install the clients first; `cargo xtask test` and `cargo xtask peers`
//! do both.

mod adoption;
mod versions;

use std::{
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};
use tokio::process::Command;
use wharf::{browser::find_executable, config::BrowserKind};
use wharf_e2e::processes::Program;
use wharf_standin::{Options, Standin};

/// Time limit of a whole run. Each step has its own deadline; this one is for a run that hangs
/// nevertheless.
const LIMIT: Duration = Duration::from_secs(300);

/// The time that a run has for closing its browser before its processes are killed.
const GRACE: Duration = Duration::from_secs(5);

/// Runs unmodified clients of WhatsApp Web on the stand-in; without a subcommand whatsapp-web.js,
/// and its login in the gateway.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Run the clients that are installed in `tests/peer/versions`.
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
    let scratch = tempfile::Builder::new().prefix("wharf-peer-").tempdir()?;
    let status = node("run.mjs", &standin, scratch.path(), &[]).await?;
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

/// Runs a script of `tests/peer` against a stand-in. Its browser has its profile in `scratch`, by
/// which its processes are found.
async fn node(
    script: &str,
    standin: &Standin,
    scratch: &Path,
    args: &[&str],
) -> Result<ExitStatus> {
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
    .args(args)
    .env("TMPDIR", scratch)
    .env("CHROMIUM", chromium()?)
    .current_dir(folder());
    let mut node = Program::start(&mut node, scratch, GRACE)?;
    let status = tokio::time::timeout(LIMIT, node.child.wait()).await;
    let status = status.with_context(|| format!("{script} hangs"))??;
    node.until_gone(GRACE).await?;
    Ok(status)
}

/// The browser for the scripts: `CHROMIUM`, or the full one that the gateway would find.
fn chromium() -> Result<PathBuf> {
    let chosen = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let (program, _) = find_executable(chosen.as_deref(), BrowserKind::Headless)?;
    Ok(program)
}

/// `tests/peer`.
fn folder() -> PathBuf {
    wharf_e2e::project::root().join("tests/peer")
}
