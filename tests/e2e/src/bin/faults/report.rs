//! Writes and checks the page `docs/faults.md`.

use std::{fmt::Write, fs, path::Path};

use anyhow::{Context, Result, ensure};

/// One fault and its outcome.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// How the fault was caused.
    pub(crate) made: &'static str,
    /// The state and the reason that the gateway reported.
    pub(crate) said: String,
    /// Seconds until the session was ready again, or how it ends.
    pub(crate) recovered: String,
    /// What was lost.
    pub(crate) lost: &'static str,
}

const HEAD: &str = "# Faults\n\nMade by `cargo xtask faults --write`: each fault is made on purpose to the running gateway, with a real Chromium on the stand-in. `cargo xtask test` makes them all again.\n\nWhile a fault lasts, one message is accepted and one arrives. *Nothing lost* means that the recipient has the first exactly once and the webhook receiver has one event of the second. Health checks come every half second here and every minute by default, and attempts begin after half a second instead of five: add that to the times for what only a health check can find.\n\n| fault | how it was made | what the gateway said | ready again after | lost |\n|---|---|---|---|---|\n";

pub(crate) fn write(page: &Path, rows: &[Row]) -> Result<()> {
    let mut out = HEAD.to_owned();
    for Row {
        name,
        made,
        said,
        recovered,
        lost,
    } in rows
    {
        writeln!(
            out,
            "| {name} | {made} | {} | {recovered} | {lost} |",
            said.replace('|', "\\|")
        )?;
    }
    fs::write(page, out).with_context(|| format!("cannot write {}", page.display()))
}

/// Checks that the page lists the same faults as this run.
pub(crate) fn check(page: &Path, rows: &[Row]) -> Result<()> {
    let text =
        fs::read_to_string(page).with_context(|| format!("cannot read {}", page.display()))?;
    let known: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
        .filter(|name| *name != "fault")
        .collect();
    let made: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    ensure!(
        known == made,
        "docs/faults.md is old: run cargo xtask faults --write\nin the page: {known:?}\nmade now:    {made:?}"
    );
    Ok(())
}
