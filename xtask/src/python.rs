//! `cargo xtask python`: builds the Python plugin of `sdk/python` with componentize-py and checks
//! it in the gateway.
//!
//! It is not part of `cargo xtask test`, because it downloads componentize-py from PyPI, and an
//! unoptimised gateway needs half a minute to compile the interpreter.

use std::{fs, process::Command, time::Duration};

use anyhow::{Context, Result};

use crate::{project, setup, step};

/// The version that docs/plugins.md names.
const COMPONENTIZE: &str = "componentize-py==0.25.1";

const LIMIT: Duration = Duration::from_secs(600);

pub(crate) fn run() -> Result<()> {
    let folder = project::target().join("python");
    let plugins = folder.join("plugins");
    fs::create_dir_all(&plugins).with_context(|| format!("cannot make {}", plugins.display()))?;
    // Each version has its own environment, so a new one is installed beside the old one.
    let environment = folder.join(COMPONENTIZE.replace("==", "-"));
    if !environment.join("bin/componentize-py").is_file() {
        setup::python()?;
        step::run_captured(
            "Python environment",
            Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(&environment),
            LIMIT,
        )?;
        step::run_captured(
            COMPONENTIZE,
            Command::new(environment.join("bin/pip")).args(["install", "--quiet", COMPONENTIZE]),
            LIMIT,
        )?;
    }
    let mut componentize = Command::new(environment.join("bin/componentize-py"));
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
