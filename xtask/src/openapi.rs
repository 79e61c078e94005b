//! `cargo xtask openapi`: checks the OpenAPI document against the running gateway, with tools that
//! know only the document.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, Result};

use crate::{project, setup, step};

const LIMIT: Duration = Duration::from_secs(15 * 60);

pub(crate) fn run(args: &[String]) -> Result<()> {
    setup::with(&["wharf", "wharf-openapi"])?;
    step::become_program(command(install()?).args(args))
}

/// Runs the check as a part of `cargo xtask test`, when everything is built.
pub(crate) fn test() -> Result<()> {
    step::run_inherited("wharf-openapi", &mut command(install()?), LIMIT)
}

fn command(tools: PathBuf) -> Command {
    let mut command = project::clean(Command::new(project::program("wharf-openapi")));
    command.arg("--tools").arg(tools);
    command
}

/// Installs the tools of `tests/openapi/requirements.txt` into a Python environment below the
/// target folder, unless they are installed; returns the environment's `bin`. Each package is
/// pinned by its hash.
fn install() -> Result<PathBuf> {
    setup::python()?;
    let environment = project::target().join("openapi/venv");
    let wanted = fs::read_to_string(project::root().join("tests/openapi/requirements.txt"))
        .context("tests/openapi/requirements.txt")?;
    let note = environment.join("installed.txt");
    if fs::read_to_string(&note).is_ok_and(|installed| installed == wanted) {
        return Ok(environment.join("bin"));
    }
    step::run_captured(
        "Python environment",
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&environment),
        LIMIT,
    )?;
    let mut pip = Command::new(environment.join("bin/pip"));
    pip.args([
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
        "-r",
        "tests/openapi/requirements.txt",
    ]);
    step::run_captured(
        "schemathesis and openapi-python-client from PyPI",
        &mut pip,
        LIMIT,
    )?;
    fs::write(&note, wanted).with_context(|| format!("cannot write {}", note.display()))?;
    Ok(environment.join("bin"))
}
