//! The peer: unmodified whatsapp-web.js behind Express, on the stand-in. It has no queue: its `POST
//! /send` is answered after the send.

use std::{process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};
use wharf_e2e::processes::Program;
use wharf_standin::{Options, Standin};

use crate::load::{self, Figures, Target};

/// Time limit for Chromium's start and the linking.
const BOOT: Duration = Duration::from_secs(90);
/// Time limit for closing the browser.
const STOP: Duration = Duration::from_secs(30);

/// Links, then sends over `connections` connections for `time`.
pub(crate) async fn measure(connections: usize, time: Duration) -> Result<Figures> {
    let standin = Standin::start(Options {
        tls_port: Some(0),
        ..Options::default()
    })
    .await?;
    let scratch = tempfile::Builder::new()
        .prefix("wharf-express-")
        .tempdir()?;
    let mut node = start(&standin, &scratch)?;
    let port = tokio::time::timeout(BOOT, port(&mut node))
        .await
        .context("whatsapp-web.js did not link")??;
    load::run(port, Target::Peer, 1, Duration::from_secs(2)).await?;
    let figures = load::run(port, Target::Peer, connections, time).await?;
    ensure!(
        figures.refused == 0,
        "{} sends of the peer failed",
        figures.refused
    );
    node.close(STOP).await.context("the peer did not stop")?;
    Ok(figures)
}

/// Starts the peer. Its browser has its profile in `scratch`, by which its processes are found.
fn start(standin: &Standin, scratch: &TempDir) -> Result<Program> {
    let tls = standin
        .tls_port()
        .context("the stand-in has no HTTPS front")?
        .to_string();
    let folder = wharf_e2e::project::root().join("tests/peer");
    let mut node = Command::new("node");
    node.args([
        "express.mjs",
        "--tls-port",
        &tls,
        "--control",
        &format!("{}_control/", standin.url()),
    ])
    .env("TMPDIR", scratch.path())
    .current_dir(folder);
    node.stdin(Stdio::piped()).stdout(Stdio::piped());
    Program::start(&mut node, scratch.path(), STOP)
}

async fn port(node: &mut Program) -> Result<u16> {
    let mut lines = BufReader::new(node.child.stdout.take().context("no output")?).lines();
    while let Some(line) = lines.next_line().await? {
        let port = serde_json::from_str::<Value>(&line)
            .ok()
            .and_then(|said| said["port"].as_u64());
        if let Some(port) = port {
            return Ok(u16::try_from(port)?);
        }
    }
    anyhow::bail!("whatsapp-web.js ended; is it installed? (npm ci in tests/peer)")
}
