//! `cargo xtask polyglot`: builds the plugins of `tests/polyglot`, which are written in other
//! languages than Rust, into `target/polyglot`. `cargo xtask test` does it too.
//!
//! Building one takes from ten to thirty seconds, so it is done only if its sources, the contract
//! or the lock file of its tools have changed. Where the tools cannot be had, the component is
//! missing, and the tests of that language are left out; that is said here.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{project, python, setup, step, test};

/// The folder of the contract that the plugins are built for.
const CONTRACT: &str = "wit/v0.1";
const SOURCES: &str = "tests/polyglot";
const WORLD: &str = "plugin";
const LIMIT: Duration = Duration::from_secs(600);

/// A language, and how a plugin is built in it.
struct Language {
    /// The folder of the plugin below [`SOURCES`]; the component is called `in_<name>.wasm`.
    name: &'static str,
    /// Installs the tools that are missing.
    tools: fn() -> Result<()>,
    /// The command, which runs in the folder of the plugin, with the folder of the contract and the
    /// component that is to be made.
    command: fn(&Path, &Path) -> Command,
}

const LANGUAGES: [Language; 2] = [
    Language {
        name: "javascript",
        tools: || test::install("componentize-js from npm", "tests/polyglot/javascript"),
        command: |contract, component| {
            let mut node = Command::new("node");
            node.arg("build.mjs")
                .args([contract, Path::new(WORLD), component]);
            node
        },
    },
    Language {
        name: "python",
        tools: || {
            setup::python()?;
            python::install()
        },
        command: |contract, component| {
            let mut componentize = Command::new(python::componentize());
            componentize
                .arg("-d")
                .arg(contract)
                .args(["-w", WORLD, "componentize", "-p", ".", "plugin", "-o"])
                .arg(component);
            componentize
        },
    },
];

/// The folder of the components.
pub(crate) fn folder() -> PathBuf {
    project::target().join("polyglot")
}

/// Builds what has changed.
///
/// # Errors
/// When a plugin cannot be built although its tools are there.
pub(crate) fn run() -> Result<()> {
    LANGUAGES.iter().try_for_each(build)
}

/// Copies the contract, with the world of the plugin, and what that imports besides.
fn copy_contract(source: &Path, to: &Path) -> Result<()> {
    // Files of another version of the contract; at first there are none.
    let _ = fs::remove_dir_all(to);
    let mut all = files(&project::root().join(CONTRACT))?;
    all.push(source.join("plugin.wit"));
    copy(&all, to)?;
    let deps = source.join("deps");
    if deps.is_dir() {
        copy(&files(&deps)?, &to.join("deps"))?;
    }
    Ok(())
}

fn copy(files: &[PathBuf], to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot make {}", to.display()))?;
    for file in files {
        let name = file.file_name().context("a file has a name")?;
        fs::copy(file, to.join(name)).with_context(|| format!("cannot copy {}", file.display()))?;
    }
    Ok(())
}

fn build(language: &Language) -> Result<()> {
    let Language {
        name,
        tools,
        command,
    } = language;
    let source = project::root().join(SOURCES).join(name);
    let contract = folder().join(name);
    let component = folder().join(format!("in_{name}.wasm"));
    let stamp = component.with_extension("stamp");
    if let Err(error) = tools() {
        let error = error.to_string();
        let last = error.lines().last().unwrap_or_default();
        eprintln!(
            "  the tools for {name} cannot be had ({last}): plugins in {name} are NOT TESTED"
        );
        // An older component would be tested in its place.
        for old in [&component, &stamp] {
            // It may not be there.
            let _ = fs::remove_file(old);
        }
        return Ok(());
    }
    copy_contract(&source, &contract)?;
    let mut made_of = contents(&files(&contract)?)?;
    made_of.extend(contents(&files(&source)?)?);
    if component.is_file() && fs::read(&stamp).is_ok_and(|stamp| stamp == made_of) {
        return Ok(());
    }
    step::run_captured(
        &format!("in_{name}.wasm"),
        project::clean(command(&contract, &component)).current_dir(&source),
        LIMIT,
    )?;
    fs::write(&stamp, made_of).with_context(|| format!("cannot write {}", stamp.display()))
}

/// The names and contents of these files.
fn contents(files: &[PathBuf]) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    for file in files {
        all.extend(file.display().to_string().into_bytes());
        all.extend(fs::read(file).with_context(|| format!("cannot read {}", file.display()))?);
    }
    Ok(all)
}

/// The files in a folder, without those in folders below it, in the order of their names.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?
    {
        let path = entry?.path();
        if path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
