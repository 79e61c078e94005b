//! `cargo xtask python`: builds the Python plugin of `sdk/python` with componentize-py and checks
//! it in the gateway.
//!
//! It is not part of `cargo xtask test`, because it downloads componentize-py from PyPI, and an
//! unoptimised gateway needs half a minute to compile the interpreter.

use std::{fs, process::Command, time::Duration};

use anyhow::{Context, Result, bail};

use crate::{project, setup, step};

/// The version that docs/plugins.md names.
const COMPONENTIZE: &str = "componentize-py==0.25.1";

const LIMIT: Duration = Duration::from_secs(600);

pub(crate) fn run() -> Result<()> {
    let folder = project::target().join("python");
    let plugins = folder.join("plugins");
    fs::create_dir_all(&plugins).with_context(|| format!("cannot make {}", plugins.display()))?;
    let environment = folder.join("venv");
    if !environment.join("bin/componentize-py").is_file() {
        if project::on_path("python3").is_none() {
            bail!(
                "python3 is missing. On Debian or Ubuntu install it with\n    sudo apt-get install python3-venv"
            );
        }
        let venv = step::quiet(
            "Python environment",
            Command::new("python3")
                .args(["-m", "venv"])
                .arg(&environment),
            LIMIT,
        );
        venv.context("on Debian or Ubuntu `python3 -m venv` needs a package: sudo apt-get install python3-venv")?;
        step::quiet(
            COMPONENTIZE,
            Command::new(environment.join("bin/pip")).args(["install", "--quiet", COMPONENTIZE]),
            LIMIT,
        )?;
    }
    let mut componentize = Command::new(environment.join("bin/componentize-py"));
    componentize.args([
        "-d",
        "wit/v0.1",
        "-w",
        "validator",
        "componentize",
        "-p",
        "sdk/python",
        "banned_words",
        "-o",
    ]);
    step::quiet(
        "banned_words.wasm",
        componentize.arg(plugins.join("banned_words.wasm")),
        LIMIT,
    )?;
    setup::programs(&["wharf", "wharf-python"])?;
    let mut check = project::clean(Command::new(project::program("wharf-python")));
    step::loud("the gateway with it", check.arg(&plugins), LIMIT)
}
