//! Programs that check this repository and are not part of it, installed into `target/tools` where
//! they are missing.

use std::{path::PathBuf, process::Command, time::Duration};

use anyhow::Result;

use crate::{project, step};

/// Looks for dependencies that nothing names. Installed in about two minutes on two cores.
const MACHETE: (&str, &str) = ("cargo-machete", "0.9.2");

/// Runs cargo-machete on the workspace; says so where it is missing and cannot be had.
///
/// # Errors
/// When it finds something.
pub(crate) fn machete() -> Result<()> {
    match installed(MACHETE) {
        Ok(program) => step::quiet(
            "cargo machete",
            Command::new(program).current_dir(project::root()),
            Duration::from_secs(120),
        ),
        Err(error) => {
            let last = error
                .to_string()
                .lines()
                .last()
                .unwrap_or_default()
                .to_owned();
            eprintln!(
                "  cargo-machete could not be installed ({last}): unused dependencies were not looked for"
            );
            Ok(())
        }
    }
}

/// The program at this very version. Each version has a folder of its own, so a new one is
/// installed beside the old.
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
        step::quiet(
            &format!("installing {name} {version}"),
            &mut cargo,
            Duration::from_secs(900),
        )?;
    }
    Ok(program)
}
