//! `wharf plugin build`: runs the build of a project's language. The component is put into the
//! folder `build`, whatever the language, under the name of the plugin.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{
    output::Output,
    project::{BUILD, Manifest},
    running::mebibytes,
};
use crate::cli::Language;

const TARGET: &str = "wasm32-wasip2";

/// The command that installs what the build of a Python project needs.
pub(super) const PYTHON_SETUP: &str =
    "python3 -m venv .venv && .venv/bin/pip install componentize-py==0.25.1";
/// The command that installs what the build of a JavaScript project needs.
pub(super) const JAVASCRIPT_SETUP: &str = "npm install";

/// Builds, and prints the component's path, size and digest.
pub(super) fn command(folder: &Path, say: Output<'_>) -> Result<(), String> {
    let path = build(folder)?;
    let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    say(&format!(
        "{}: {}, sha256 {}",
        path.display(),
        mebibytes(u64::try_from(bytes.len()).unwrap_or(u64::MAX)),
        hex::encode(Sha256::digest(&bytes))
    ));
    Ok(())
}

/// Builds the component of a project and returns its path.
pub(super) fn build(folder: &Path) -> Result<PathBuf, String> {
    let manifest = Manifest::read(folder)?;
    let folder =
        fs::canonicalize(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let place = folder.join(BUILD);
    fs::create_dir_all(&place).map_err(|error| format!("{}: {error}", place.display()))?;
    let path = place.join(format!("{}.wasm", manifest.name));
    // Built beside it and renamed, because a running gateway must never read half a component.
    let fresh = place.join(format!(".{}.new", manifest.name));
    match manifest.language {
        Language::Rust => {
            let built = rust(&folder)?;
            fs::copy(&built, &fresh).map_err(|error| format!("{}: {error}", built.display()))?;
        }
        Language::Python => python(&folder, &fresh)?,
        Language::Javascript => javascript(&folder, &fresh)?,
    }
    fs::rename(&fresh, &path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

/// Runs cargo, which shows its progress, and returns the component.
fn rust(folder: &Path) -> Result<PathBuf, String> {
    const CARGO: &str = "cargo is not installed, or not on the PATH; https://rustup.rs installs it";
    let libraries = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .current_dir(folder)
        .stderr(Stdio::inherit())
        .output();
    let libraries = libraries.map_err(|error| missing("rustc", &error, CARGO))?;
    let libraries = String::from_utf8_lossy(&libraries.stdout).trim().to_owned();
    if !Path::new(&libraries).is_dir() {
        return Err(format!(
            "Rust cannot build for {TARGET} yet; `rustup target add {TARGET}` installs what is missing"
        ));
    }
    let output = Command::new("cargo")
        .args(["build", "--release", "--target", TARGET])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(folder)
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| missing("cargo", &error, CARGO))?;
    if !output.status.success() {
        return Err(format!("cargo build failed: {}", output.status));
    }
    component(&String::from_utf8_lossy(&output.stdout), folder).ok_or_else(|| {
        "cargo built no component; Cargo.toml needs [lib] with crate-type = [\"cdylib\"]".to_owned()
    })
}

/// The component of the package in `folder`, among the artifacts that cargo reports.
fn component(messages: &str, folder: &Path) -> Option<PathBuf> {
    let manifest = folder.join("Cargo.toml");
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| {
            message["reason"] == "compiler-artifact"
                && message["manifest_path"].as_str().map(Path::new) == Some(&manifest)
        })
        .flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default())
        .filter_map(|file| file.as_str().map(PathBuf::from))
        .find(|file| {
            file.extension()
                .is_some_and(|extension| extension == "wasm")
        })
}

fn python(folder: &Path, to: &Path) -> Result<(), String> {
    let own = folder.join(".venv/bin/componentize-py");
    let program = if own.is_file() {
        own
    } else {
        "componentize-py".into()
    };
    let mut command = Command::new(program);
    command
        .args(["-d", "wit", "-w", "plugin", "componentize"])
        .args(["-p", ".", "plugin", "-o"])
        .arg(to);
    run(command, folder, "componentize-py", PYTHON_SETUP)
}

fn javascript(folder: &Path, to: &Path) -> Result<(), String> {
    let mut command = Command::new(folder.join("node_modules/.bin/componentize-js"));
    command
        .args(["--wit", "wit", "--world-name", "plugin", "-o"])
        .arg(to)
        .arg("plugin.js");
    run(command, folder, "componentize-js", JAVASCRIPT_SETUP)
}

fn run(mut command: Command, folder: &Path, name: &str, setup: &str) -> Result<(), String> {
    let hint = format!("`{setup}` in {} installs it", folder.display());
    let status = command
        .current_dir(folder)
        .stdin(Stdio::null())
        // Only the result of `build` is on standard output.
        .stdout(io::stderr())
        .status()
        .map_err(|error| missing(name, &error, &hint))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{name} failed: {status}"))
    }
}

fn missing(program: &str, error: &io::Error, hint: &str) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!("{program} was not found: {hint}"),
        _ => format!("cannot run {program}: {error}"),
    }
}
