//! Checks the reference page in a real Chromium: it shows the document and makes requests to the
//! gateway only.

use std::{collections::BTreeSet, env, fs, path::PathBuf, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::process::Command;

/// Where Chromium may be installed.
const BROWSERS: [&str; 6] = [
    "/usr/lib/chromium/chromium-headless-shell",
    "/usr/bin/chromium-headless-shell",
    "/usr/lib/chromium/chromium",
    "/usr/bin/chromium",
    "/usr/bin/google-chrome",
    "/opt/google/chrome/chrome",
];

const LIMIT: Duration = Duration::from_secs(60);

/// Opens the page, and checks the resulting document and every address that was requested.
pub(crate) async fn check(url: &str) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("net.json");
    let given = env::var_os("CHROMIUM").map(PathBuf::from).into_iter();
    let browser = given
        .chain(BROWSERS.map(PathBuf::from))
        .find(|path| path.is_file())
        .context("Chromium is missing")?;
    let mut chromium = Command::new(browser);
    chromium.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
    ]);
    chromium
        .arg(format!(
            "--user-data-dir={}",
            folder.path().join("profile").display()
        ))
        .arg(format!("--log-net-log={}", log.display()));
    // Virtual time lets the page's timers run without waiting.
    chromium
        .args([
            "--virtual-time-budget=20000",
            "--enable-logging=stderr",
            "--v=0",
            "--dump-dom",
        ])
        .arg(format!("{url}/docs"));
    let output = tokio::time::timeout(LIMIT, chromium.kill_on_drop(true).output())
        .await
        .context("Chromium did not end")??;
    let (page, said) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    for sign in [
        "Sends a message",
        "/v1/sessions/{id}/messages",
        "message.received",
        "swagger-ui",
    ] {
        ensure!(
            page.contains(sign),
            "the reference page does not show {sign:?}; it is\n{page}\nand Chromium said\n{said}"
        );
    }
    ensure!(
        !said.contains("Content Security Policy"),
        "the page wants more than its policy lets it:\n{said}"
    );
    let asked = addresses(&fs::read_to_string(&log).context("Chromium's log of its network")?)?;
    let foreign: Vec<&String> = asked
        .iter()
        .filter(|address| !address.starts_with(url) && !address.starts_with("data:"))
        .collect();
    ensure!(
        asked.len() >= 5 && foreign.is_empty(),
        "the reference page asks {foreign:?} of {asked:?}"
    );
    println!(
        "the reference page asks for {} addresses, all of them the gateway's",
        asked.len()
    );
    Ok(())
}

/// Every address for which Chromium's network log has a request.
fn addresses(log: &str) -> Result<BTreeSet<String>> {
    // A truncated log lacks the closing brackets.
    let log: Value = serde_json::from_str(log).or_else(|_| {
        serde_json::from_str(&format!("{}]}}", log.trim_end().trim_end_matches(',')))
    })?;
    let events = log["events"]
        .as_array()
        .context("no events in Chromium's log")?;
    Ok(events
        .iter()
        .filter_map(|event| event["params"]["url"].as_str().map(str::to_owned))
        .collect())
}
