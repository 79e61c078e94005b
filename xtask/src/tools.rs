//! Third-party programs that check this repository; they are installed into `target/tools` when
//! they are missing.

use std::{path::PathBuf, process::Command, time::Duration};

use anyhow::Result;

use crate::{project, step};

/// Finds unused dependencies. Its installation takes about two minutes on two cores.
const MACHETE: (&str, &str) = ("cargo-machete", "0.9.2");

/// Runs cargo-machete on the workspace. When it cannot be installed, that is reported and the check
/// is skipped.
///
/// # Errors
/// When it finds an unused dependency.
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
                "  cargo-machete could not be installed ({last}): unused dependencies were not checked"
            );
            Ok(())
        }
    }
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
        step::quiet(
            &format!("installing {name} {version}"),
            &mut cargo,
            Duration::from_secs(900),
        )?;
    }
    Ok(program)
}
