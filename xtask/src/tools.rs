//! Third-party programs that check this repository; they are installed into `target/tools` when
//! they are missing.

use std::{path::PathBuf, process::Command, time::Duration};

use anyhow::Result;

use crate::{project, step};

/// Finds unused dependencies. Its installation takes about two minutes on two cores.
const MACHETE: (&str, &str) = ("cargo-machete", "0.9.2");

/// Checks licences, sources and what may not be in the tree. Installed in about two minutes on two
/// cores.
const DENY: (&str, &str) = ("cargo-deny", "0.20.2");

/// Runs cargo-machete on the workspace; says so where it is missing and cannot be had.
///
/// # Errors
/// When it finds an unused dependency.
pub(crate) fn machete() -> Result<()> {
    let Some(program) = available(MACHETE, "unused dependencies") else {
        return Ok(());
    };
    step::run_captured(
        "cargo machete",
        Command::new(program).current_dir(project::root()),
        Duration::from_secs(120),
    )
}

/// Runs cargo-deny on the workspace; says so where it is missing and cannot be had, and where the
/// database of advisories cannot be reached.
///
/// # Errors
/// When it finds something.
pub(crate) fn deny() -> Result<()> {
    let Some(program) = available(DENY, "licences, sources and advisories") else {
        return Ok(());
    };
    let deny = |args: &[&str]| {
        let mut command = Command::new(&program);
        command
            .current_dir(project::root())
            .arg("--workspace")
            .args(args);
        command
    };
    let limit = Duration::from_secs(300);
    step::run_captured(
        "cargo deny: bans, licences, sources",
        &mut deny(&["check", "bans", "licenses", "sources"]),
        limit,
    )?;
    if step::run_captured(
        "cargo deny: database of advisories",
        &mut deny(&["fetch", "db"]),
        limit,
    )
    .is_err()
    {
        eprintln!("  the database of advisories cannot be reached: advisories were not checked");
        return Ok(());
    }
    step::run_captured(
        "cargo deny: advisories",
        &mut deny(&["check", "advisories"]),
        limit,
    )
}

/// The program, installed where it was missing. None: it cannot be had, and that is said with what
/// was not looked at.
fn available(tool: (&str, &str), what: &str) -> Option<PathBuf> {
    installed(tool)
        .inspect_err(|error| {
            let error = error.to_string();
            let last = error.lines().last().unwrap_or_default();
            eprintln!(
                "  {} could not be installed ({last}): {what} were not checked",
                tool.0
            );
        })
        .ok()
}

/// The program in exactly this version. Each version has its own folder, so a new one is installed
/// beside the old one.
fn installed((name, version): (&str, &str)) -> Result<PathBuf> {
    let root = project::target()
        .join("tools")
        .join(format!("{name}-{version}"));
    let program = root.join("bin").join(name);
    if !program.is_file() {
        let mut cargo = project::cargo();
        cargo
            .args(["install", name, "--version", version, "--locked", "--root"])
            .arg(&root);
        step::run_captured(
            &format!("installing {name} {version}"),
            &mut cargo,
            Duration::from_secs(900),
        )?;
    }
    Ok(program)
}
