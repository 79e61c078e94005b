//! The rule as a Node function in a worker thread (`worker.mjs`), which measures itself: what a
//! gateway written in JavaScript would pay.

use std::{path::Path, process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use super::TEXT;

const LIMIT: Duration = Duration::from_secs(120);

/// Node with its worker thread.
pub(super) struct Worker {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    pub(super) fn start(words: &[String]) -> Result<Self> {
        let script = Path::new("tests/bench/src/hooks/worker.mjs");
        let mut child = Command::new("node")
            .arg(wharf_e2e::project::root().join(script))
            .arg(json!(words).to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("Node does not start; is it installed?")?;
        Ok(Self {
            stdin: child.stdin.take().context("no input")?,
            lines: BufReader::new(child.stdout.take().context("no output")?).lines(),
            child,
        })
    }

    /// The durations of these many round trips, in microseconds.
    pub(super) async fn calls(&mut self, calls: usize) -> Result<Vec<f64>> {
        let order = json!({"calls": calls, "text": TEXT});
        self.stdin
            .write_all(format!("{order}\n").as_bytes())
            .await?;
        let line = timeout(LIMIT, self.lines.next_line()).await??;
        let took: Vec<f64> = serde_json::from_str(&line.context("Node ended")?)?;
        ensure!(
            took.len() == calls,
            "Node made {} calls of {calls}",
            took.len()
        );
        Ok(took)
    }

    /// Closes its input, which ends it.
    pub(super) async fn stop(self) -> Result<()> {
        let Self {
            mut child,
            stdin,
            lines,
        } = self;
        drop(stdin);
        let status = timeout(LIMIT, child.wait())
            .await
            .context("Node did not end")??;
        drop(lines);
        ensure!(status.success(), "Node ended with {status}");
        Ok(())
    }
}
