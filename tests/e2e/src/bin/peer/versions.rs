//! Runs every client of `tests/peer/versions`, each on its own stand-in: other versions of
//! whatsapp-web.js, and wa-js.

use std::{
    collections::BTreeMap,
    fmt::Write,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};
use wharf_e2e::processes::ProcessSet;
use wharf_standin::{Options, Standin};

use crate::{GRACE, LIMIT, chromium, folder};

const WA_JS: &str = "@wppconnect/wa-js";

/// The outcome of one client's run.
#[derive(Debug)]
struct Outcome {
    client: String,
    took: Duration,
    passed: usize,
    /// The steps that were skipped, by reason.
    skipped: BTreeMap<String, Vec<String>>,
    error: Option<String>,
}

/// Runs all of them, or those whose name contains `only`.
pub(crate) async fn run(only: Option<&str>) -> Result<()> {
    let package = std::fs::read_to_string(folder().join("versions/package.json"))
        .context("tests/peer/versions/package.json")?;
    let package: Value =
        serde_json::from_str(&package).context("tests/peer/versions/package.json")?;
    let installed = package["dependencies"]
        .as_object()
        .context("tests/peer/versions/package.json has no dependencies")?;
    let wanted: Vec<&String> = installed
        .keys()
        .filter(|name| only.is_none_or(|part| name.contains(part)))
        .collect();
    ensure!(
        !wanted.is_empty(),
        "none of {:?} is named so",
        installed.keys().collect::<Vec<_>>()
    );
    let mut outcomes = vec![];
    for name in wanted {
        println!("\n{name}");
        let started = Instant::now();
        let said = client(name).await;
        outcomes.push(outcome(name, started.elapsed(), said));
    }
    println!("\n{}", table(&outcomes));
    let failed: Vec<&str> = outcomes
        .iter()
        .filter(|one| one.error.is_some())
        .map(|one| one.client.as_str())
        .collect();
    ensure!(
        failed.is_empty(),
        "failed on the stand-in: {}",
        failed.join(", ")
    );
    Ok(())
}

/// Runs one client to its end and returns its last line of JSON. None of its processes is left
/// afterwards.
async fn client(name: &str) -> Result<Value> {
    let standin = Standin::start(Options {
        tls_port: Some(0),
        ..Options::default()
    })
    .await?;
    let port = standin
        .tls_port()
        .context("the stand-in has no HTTPS front")?
        .to_string();
    let control = format!("{}_control/", standin.url());
    let scratch = tempfile::Builder::new()
        .prefix("wharf-versions-")
        .tempdir()?;
    let mut node = Command::new("node");
    node.arg(if name == WA_JS { "wajs.mjs" } else { "run.mjs" })
        .args(["--tls-port", &port, "--control", &control]);
    if name != WA_JS {
        node.args(["--library", name]);
    }
    // The client's browser has its profile in this folder, by which its processes are found.
    node.env("TMPDIR", scratch.path())
        .env("CHROMIUM", chromium()?)
        .current_dir(folder())
        .process_group(0)
        .kill_on_drop(true)
        .stdout(Stdio::piped());
    let mut node = node.spawn().context("cannot start node")?;
    let mut lines = BufReader::new(node.stdout.take().context("node has no output")?).lines();
    let mut last = Value::Null;
    let reading = async {
        while let Some(line) = lines.next_line().await? {
            match serde_json::from_str(&line) {
                Ok(said) => last = said,
                Err(_) => println!("  {line}"),
            }
        }
        Ok::<_, anyhow::Error>(node.wait().await?)
    };
    let ended = tokio::time::timeout(LIMIT, reading).await;
    if ended.is_err() {
        stop(&mut node).await?;
    }
    // A browser that closes within the grace time is not counted.
    let left = ProcessSet::of(scratch.path()).reap(GRACE).await;
    let status = ended.with_context(|| format!("not within {} s", LIMIT.as_secs()))??;
    ensure!(left.is_empty(), "left processes behind: {left:?}");
    for report in standin.view().reports {
        // A skipped step uses a name that the page lacks; the page reports that as the real one
        // does.
        println!("  the page reported: {report}");
    }
    ensure!(
        last["ok"] == Value::Bool(status.success()),
        "ended with {status} and said {last}"
    );
    Ok(last)
}

/// Ends node. On SIGTERM it closes its browser but does not exit by itself, so it is killed
/// afterwards.
async fn stop(node: &mut tokio::process::Child) -> Result<()> {
    if let Some(pid) = node.id().and_then(|pid| i32::try_from(pid).ok()) {
        // It may have ended already.
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        let _ = tokio::time::timeout(GRACE, node.wait()).await;
    }
    node.kill().await.context("cannot end node")
}

fn outcome(name: &str, took: Duration, said: Result<Value>) -> Outcome {
    let client = name.strip_prefix("wwebjs-").map_or_else(
        || name.to_owned(),
        |version| format!("whatsapp-web.js {version}"),
    );
    let mut outcome = Outcome {
        client,
        took,
        passed: 0,
        skipped: BTreeMap::new(),
        error: None,
    };
    match said {
        Ok(said) => {
            outcome.passed = said["steps"].as_array().map_or(0, Vec::len);
            for skip in said["skipped"].as_array().into_iter().flatten() {
                let text = |key: &str| skip[key].as_str().unwrap_or_default().to_owned();
                outcome
                    .skipped
                    .entry(text("reason"))
                    .or_default()
                    .push(text("step"));
            }
            outcome.error = (said["ok"] != true).then(|| {
                said["error"]
                    .as_str()
                    .unwrap_or("it did not say why")
                    .to_owned()
            });
        }
        Err(error) => outcome.error = Some(format!("{error:#}")),
    }
    outcome
}

fn table(outcomes: &[Outcome]) -> String {
    let mut text = format!(
        "{:<34} {:>7} {:>8} {:>8}\n",
        "client", "passed", "skipped", "seconds"
    );
    for one in outcomes {
        let skipped: usize = one.skipped.values().map(Vec::len).sum();
        let mark = if one.error.is_some() { "  FAILED" } else { "" };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{:<34} {:>7} {:>8} {:>8.1}{mark}",
            one.client,
            one.passed,
            skipped,
            one.took.as_secs_f32()
        );
        for (reason, steps) in &one.skipped {
            let _ = writeln!(text, "    -- {}: {reason}", steps.join(", "));
        }
        if let Some(error) = &one.error {
            let _ = writeln!(text, "    {error}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_was_left_out_stands_with_its_reason_and_a_failure_with_its_cause() {
        let said = json!({"ok": false, "steps": ["qr", "send"], "skipped": [{"step": "a", "reason": "why"}, {"step": "b", "reason": "why"}], "error": "send: no"});
        let text = table(&[outcome("wwebjs-1.34.6", Duration::from_secs(2), Ok(said))]);
        assert!(
            text.contains("whatsapp-web.js 1.34.6") && text.contains("FAILED"),
            "{text}"
        );
        assert!(
            text.contains("-- a, b: why") && text.contains("send: no"),
            "{text}"
        );
        let said = json!({"ok": true, "steps": ["qr"], "skipped": []});
        assert!(outcome(WA_JS, Duration::ZERO, Ok(said)).error.is_none());
        assert!(
            outcome(WA_JS, Duration::ZERO, Err(anyhow::anyhow!("hangs")))
                .error
                .is_some()
        );
    }
}
