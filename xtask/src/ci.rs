//! `cargo xtask ci`: runs every check that a change must pass before it is merged.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::{cargo, guests, js, package, packages, plugins, project, step, test, tools};

pub(crate) fn run() -> Result<()> {
    let started = Instant::now();
    step::run_captured(
        "Cargo.lock is up to date",
        project::cargo().args(["metadata", "--locked", "--format-version", "1"]),
        Duration::from_secs(300),
    )?;
    step::run_inherited(
        "cargo fmt",
        project::cargo().args(["fmt", "--all", "--check"]),
        Duration::from_secs(120),
    )?;
    cargo::build(
        "clippy",
        &[
            "clippy",
            "--locked",
            "--workspace",
            packages::PLAIN,
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ],
    )?;
    guests::lint(&plugins::packages()?)?;
    package::run()?;
    tools::machete()?;
    let mut doc = project::cargo();
    doc.args([
        "doc",
        "--locked",
        "--workspace",
        packages::PLAIN,
        "--no-deps",
        "--document-private-items",
    ])
    .env("RUSTDOCFLAGS", "-D warnings");
    cargo::watched("documentation", &mut doc)?;
    tools::deny()?;
    js::run()?;
    test::run()?;
    eprintln!("  all of it: {} s", started.elapsed().as_secs());
    Ok(())
}
