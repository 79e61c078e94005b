//! The paths of the repository.

use std::{
    env,
    path::{Path, PathBuf},
};

#[path = "../../../xtask/src/root.rs"]
mod find;

/// The root folder of the repository.
#[must_use]
pub fn root() -> &'static Path {
    find::root()
}

/// Cargo's target folder, which all packages share.
#[must_use]
pub fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}
