//! `cargo xtask fuzz`: runs the fuzz targets of the gateway for longer than the tests do.

use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::{cargo, packages, project, step};

/// How long each target runs without `--seconds`.
const SECONDS: u64 = 60;

pub(crate) fn run(args: &[String]) -> Result<()> {
    let seconds = match args {
        [] => SECONDS,
        [flag, seconds] if flag == "--seconds" => seconds
            .parse()
            .with_context(|| format!("--seconds {seconds:?} is not a number of seconds"))?,
        _ => bail!("unknown arguments {args:?}; expected --seconds N, the time of each target"),
    };
    // The selection of the tests, so that nothing is built twice.
    let selected = packages::select(packages::HOST.into_iter().chain(packages::TESTS));
    let mut build = vec!["test", "--no-run", packages::PLAIN, "--lib"];
    build.extend(&selected);
    cargo::build("The fuzz targets", &build)?;
    let mut tests = project::cargo();
    tests
        .args(["test", packages::PLAIN, "--no-fail-fast", "--lib"])
        .args(&selected)
        .args(["fuzz::", "--", "--nocapture", "--test-threads", "2"])
        .env("WHARF_FUZZ_SECONDS", seconds.to_string());
    // A dozen targets, two at a time, and the time to build.
    step::run_inherited(
        "fuzzing",
        &mut tests,
        Duration::from_secs(seconds * 12 + 1800),
    )
}
