//! `cargo xtask plugins`: builds every plugin of this repository and puts it where the gateway
//! looks for it.

use std::{fs, path::Path};

use anyhow::{Context, Result};

use crate::{guests, project};

pub(crate) fn run() -> Result<()> {
    guests::ensure()?;
    let packages = packages()?;
    let built = guests::build("Plugins (WebAssembly)", &packages)?;
    for package in packages {
        let file = format!("{}.wasm", package.replace('-', "_"));
        replace(
            &built.join(&file),
            &project::root().join("plugins").join(&file),
        )?;
    }
    Ok(())
}

/// The names of all crates below `plugins/`; a package has the name of its folder.
pub(crate) fn packages() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(project::root().join("plugins")).context("cannot read plugins/")? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").is_file() {
            names.extend(entry.file_name().into_string());
        }
    }
    names.sort();
    Ok(names)
}

/// Copies a file if it differs. It is renamed into place, because a running gateway must never read
/// half a file.
fn replace(from: &Path, to: &Path) -> Result<()> {
    let bytes = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    if fs::read(to).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let beside = to.with_extension("wasm.new");
    fs::write(&beside, bytes)
        .and_then(|()| fs::rename(&beside, to))
        .with_context(|| format!("cannot write {}", to.display()))
}
