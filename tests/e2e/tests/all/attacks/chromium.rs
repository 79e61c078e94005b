//! Programs in place of Chromium that do not answer, or write without end.

use std::fs;

use anyhow::{Context, Result, ensure};
use procfs::process::Process;
use wharf_e2e::{Gateway, House, Plan, until};

use super::{
    Area,
    files::{SOON, set_mode},
    held,
};

/// A test environment with a script in place of Chromium.
async fn with_browser(script: &str) -> Result<House> {
    let plan = Plan {
        overlay: "plugin = []\n[browser]\nexecutable = './chromium'\nlaunch_timeout = '3s'\n"
            .into(),
        ..Plan::default()
    };
    let house = House::build(plan).await?;
    let path = house.folder().join("chromium");
    // The script is in the gateway's folder, so that its command line names the folder.
    fs::write(&path, format!("#!/bin/sh\n{script}\n"))?;
    set_mode(&path, 0o755)?;
    Ok(house)
}

/// Waits until the reason of the session's state contains these words.
async fn until_reason(gateway: &Gateway, words: &str) -> Result<()> {
    let said = until("the reason in the session's state", SOON, async || {
        let state = gateway.api.get("/v1/sessions/default").await?.expect(200)?;
        Ok(state.json["reason"]
            .as_str()
            .filter(|reason| reason.contains(words))
            .map(str::to_owned))
    });
    said.await
        .map(drop)
        .with_context(|| format!("{words:?}; its log:\n{}", gateway.log().tail()))
}

#[tokio::test]
async fn a_browser_that_never_answers_is_named() -> Result<()> {
    let house = with_browser("exec sleep 1000").await?;
    let gateway = house.open().await?;
    until_reason(&gateway, "--version did not answer within 3s").await?;
    gateway.api.get("/livez").await?.expect(200)?;
    gateway.stop(SOON).await?;
    held(
        Area::Files,
        "a Chromium that never answers `--version`",
        "the gateway ends it after `launch_timeout`, 15 s at most; the session reports this and tries again, and the API keeps answering",
    )
}

/// The peak resident memory of a process, in bytes.
fn peak(pid: i32) -> Result<u64> {
    Ok(Process::new(pid)?.status()?.vmhwm.context("no VmHWM")? << 10)
}

#[tokio::test]
async fn a_browser_that_talks_without_an_end_costs_no_memory() -> Result<()> {
    let house = with_browser(
        "test \"$1\" = --version && exec echo Chromium 156.0.0.0\nexec tr '\\0' x < /dev/zero >&2",
    )
    .await?;
    let gateway = house.open().await?;
    let before = peak(gateway.pid()?)?;
    until_reason(&gateway, "no connection within 3s").await?;
    let grown = peak(gateway.pid()?)?.saturating_sub(before);
    ensure!(grown < 100 << 20, "{} MiB more", grown >> 20);
    gateway.stop(SOON).await?;
    held(
        Area::Files,
        "a Chromium that writes one endless line to standard error",
        "the gateway keeps 2 KiB of a line, so its memory does not grow; the launch ends after `launch_timeout`",
    )
}
