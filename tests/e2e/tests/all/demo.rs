//! Runs the demo as a new user does.

use std::{process::Stdio, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::process::Command;
use wharf_e2e::processes::Program;

const LIMIT: Duration = Duration::from_secs(180);
/// The time that the demo has for ending everything after a failure.
const GRACE: Duration = Duration::from_secs(40);

#[tokio::test]
async fn the_demo_shows_everything_once_and_leaves_nothing_behind() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut demo = Command::new(env!("CARGO_BIN_EXE_wharf-demo"));
    demo.arg("--once")
        .env("TMPDIR", folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut demo = Program::start(&mut demo, folder.path(), GRACE)?;
    let output = demo.output(LIMIT).await?;
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "{}\n{text}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let last: Value = serde_json::from_str(text.lines().last().unwrap_or_default())
        .context("the last line is no JSON")?;
    ensure!(
        last["qr"] == true && last["ready"] == true && last["acks"] == serde_json::json!([1, 2, 3]),
        "{last}"
    );
    ensure!(
        last["sent"] == 2
            && last["inbound"] == 1
            && last["webhooks"].as_u64().is_some_and(|count| count >= 5),
        "{last}"
    );
    ensure!(
        last["rejected"]["code"] == "blocked_prefix" && last["rejected"]["reason"].is_string(),
        "{last}"
    );
    demo.until_gone(Duration::from_secs(2)).await?;
    ensure!(
        folder.path().read_dir()?.next().is_none(),
        "files are left in the temporary folder"
    );
    Ok(())
}
