//! Finds the repository.
//!
//! The tests take this file in by its path, so that there is one rule; it imports nothing but the
//! standard library.

use std::{
    env,
    path::{Path, PathBuf},
    sync::OnceLock,
};

/// The root folder of the repository. It is looked up at run time: after a checkout was copied or
/// moved, its target folder still has programs that were built in the old place, and cargo does not
/// rebuild them.
pub(crate) fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        // `cargo run` and `cargo test` set the variable; otherwise the search starts in the working
        // directory and then in the program's folder.
        let starts = [
            env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from),
            env::current_dir().ok(),
            env::current_exe().ok(),
        ];
        find(starts.into_iter().flatten()).unwrap_or_else(|| ".".into())
    })
}

/// The repository of the first of these paths that is inside of one.
pub(crate) fn find(starts: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    starts.into_iter().find_map(|start| {
        start
            .ancestors()
            .find(|folder| is_repository(folder))
            .map(Path::to_owned)
    })
}

/// Whether this folder is the root of the repository.
pub(crate) fn is_repository(folder: &Path) -> bool {
    folder.join("xtask/Cargo.toml").is_file() && folder.join("wit").is_dir()
}
