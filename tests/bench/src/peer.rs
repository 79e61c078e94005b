//! Runs unmodified whatsapp-web.js with `tests/peer/sessions.mjs`.

use std::{path::Path, process::Stdio, time::Duration};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{ChildStdout, Command},
    time::timeout,
};
use wharf_e2e::processes::Program;
use wharf_standin::{Account, Standin};

const LIMIT: Duration = Duration::from_secs(60);

/// A running node process with its clients.
pub(crate) struct Peer {
    program: Program,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    pub(crate) fn start(standin: &Standin, data: &Path, count: usize) -> Result<Self> {
        let port = standin
            .tls_port()
            .context("the stand-in has no HTTPS front")?;
        let folder = wharf_e2e::project::root().join("tests/peer");
        let mut node = Command::new("node");
        node.args([
            "sessions.mjs",
            "--tls-port",
            &port.to_string(),
            "--control",
            &format!("{}_control/", standin.url()),
        ]);
        node.args(["--count", &count.to_string(), "--data-path"])
            .arg(data);
        node.current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        // The browsers have their profiles in the folder.
        let mut program = Program::start(&mut node, data, LIMIT)?;
        let output = program.child.stdout.take().context("no output")?;
        let lines = BufReader::new(output).lines();
        Ok(Self { program, lines })
    }

    pub(crate) fn pid(&self) -> Result<i32> {
        Ok(i32::try_from(
            self.program.child.id().context("node has ended")?,
        )?)
    }

    /// Waits for the next event of that name and skips others.
    pub(crate) async fn event(&mut self, name: &str) -> Result<Value> {
        let found = async {
            while let Some(line) = self.lines.next_line().await? {
                let event: Value = serde_json::from_str(&line).unwrap_or_default();
                if event["event"] == name {
                    return Ok(event);
                }
                if event["event"] == "failed" {
                    bail!("whatsapp-web.js: {event}");
                }
            }
            bail!("node ended before {name}")
        };
        timeout(LIMIT, found)
            .await
            .with_context(|| format!("no {name} of whatsapp-web.js within {LIMIT:?}"))?
    }

    /// Links the next client.
    pub(crate) async fn link(&mut self, standin: &Standin, pn: &str) -> Result<()> {
        let qr = self.event("qr").await?;
        standin
            .scan(
                qr["qr"].as_str(),
                Account {
                    pn: pn.to_owned(),
                    ..Account::default()
                },
            )
            .await?;
        self.event("ready").await.map(|_| ())
    }

    /// Closes its standard input and waits until it has ended.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.program.close(LIMIT).await?;
        Ok(())
    }
}
