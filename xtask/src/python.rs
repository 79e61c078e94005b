//! `cargo xtask python`: builds the Python plugin of `sdk/python` with componentize-py and checks
//! it in the gateway.
//!
//! It is not part of `cargo xtask test`, because it downloads componentize-py from PyPI, and an
//! unoptimised gateway needs half a minute to compile the interpreter.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use anyhow::{Context, Result};

use crate::{project, setup, step};

/// The version that docs/plugins/languages.md names.
const VERSION: &str = "0.25.1";
/// The same version with the digests of its packages.
const REQUIREMENTS: &str = "tests/polyglot/python/requirements.txt";

const LIMIT: Duration = Duration::from_secs(600);

/// componentize-py. Each version has its own environment, so a new one is installed beside the old
/// one.
pub(crate) fn componentize() -> PathBuf {
    environment().join("bin/componentize-py")
}

fn environment() -> PathBuf {
    project::target()
        .join("python")
        .join(format!("componentize-py-{VERSION}"))
}

/// Installs componentize-py from PyPI if it is missing. Needs Python.
pub(crate) fn install() -> Result<()> {
    if componentize().is_file() {
        return Ok(());
    }
    let environment = environment();
    step::run_captured(
        "Python environment",
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&environment),
        LIMIT,
    )?;
    step::run_captured(
        &format!("componentize-py {VERSION}"),
        Command::new(environment.join("bin/pip"))
            .args(["install", "--quiet", "--require-hashes", "--requirement"])
            .arg(project::root().join(REQUIREMENTS)),
        LIMIT,
    )
}

pub(crate) fn run() -> Result<()> {
    let plugins = project::target().join("python/plugins");
    fs::create_dir_all(&plugins).with_context(|| format!("cannot make {}", plugins.display()))?;
    setup::python()?;
    install()?;
    let mut componentize = Command::new(componentize());
    componentize.args([
        "-d",
        "wit/v0.2",
        "-w",
        "validator",
        "componentize",
        "-p",
        "sdk/python",
        "banned_words",
        "-o",
    ]);
    step::run_captured(
        "banned_words.wasm",
        componentize.arg(plugins.join("banned_words.wasm")),
        LIMIT,
    )?;
    setup::programs(&["wharf", "wharf-python"])?;
    let mut check = project::clean(Command::new(project::program("wharf-python")));
    step::run_inherited("the gateway with it", check.arg(&plugins), LIMIT)
}
