//! Unmodified whatsapp-web.js on the stand-in; `tests/peer` has the run itself. Ends with its exit status.

use std::{path::Path, process::ExitCode, time::Duration};

use anyhow::{Context, Result};
use tokio::process::Command;
use wharf_standin::{Options, Standin};

/// The run has a deadline for each of its steps; this one is for a run that hangs all the same.
const LIMIT: Duration = Duration::from_secs(300);

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let standin = Standin::start(Options { tls_port: Some(0), ..Options::default() }).await?;
    let port = standin.tls_port().context("the stand-in has no HTTPS front")?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("no parent folder")?.join("peer");
    let mut node = Command::new("node");
    node.args(["run.mjs", "--tls-port", &port.to_string(), "--control", &format!("{}_control/", standin.url())]);
    let status = tokio::time::timeout(LIMIT, node.current_dir(folder).kill_on_drop(true).status()).await.context("the peer run hangs")?;
    let status = status.context("cannot start node")?;
    for report in standin.view().reports {
        eprintln!("the page reported: {report}");
    }
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
