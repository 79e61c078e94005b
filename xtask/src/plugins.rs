//! `cargo xtask plugins`: the bundled plugins, built and put where the gateway looks for them.

use std::{fs, path::Path};

use anyhow::{Context, Result};

use crate::{guests, project};

/// The bundled plugins: a package each.
const PACKAGES: [&str; 3] = ["number-policy", "templates", "webhook"];

pub(crate) fn run() -> Result<()> {
    guests::ensure()?;
    let built = guests::build("Plugins (WebAssembly)", &PACKAGES)?;
    for package in PACKAGES {
        let file = format!("{}.wasm", package.replace('-', "_"));
        replace(&built.join(&file), &project::root().join("plugins").join(&file))?;
    }
    Ok(())
}

/// Copies through a rename, and only what differs: a running gateway must never see half a file.
fn replace(from: &Path, to: &Path) -> Result<()> {
    let bytes = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
    if fs::read(to).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let beside = to.with_extension("wasm.new");
    fs::write(&beside, bytes).and_then(|()| fs::rename(&beside, to)).with_context(|| format!("cannot write {}", to.display()))
}
