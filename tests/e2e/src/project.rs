//! Finds the repository.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The root folder of the repository. It is looked up at run time: after a checkout was copied or
/// moved, its target folder still has programs that were built in the old place, and cargo does not
/// rebuild them.
#[must_use]
pub fn root() -> PathBuf {
    // `cargo run` and `cargo test` set the variable; otherwise the search starts in the working
    // directory and then in the program's folder.
    let starts = [
        env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from),
        env::current_dir().ok(),
        env::current_exe().ok(),
    ];
    let of = |start: PathBuf| {
        start
            .ancestors()
            .find(|folder| is_repository(folder))
            .map(Path::to_owned)
    };
    starts
        .into_iter()
        .flatten()
        .find_map(of)
        .unwrap_or_default()
}

fn is_repository(folder: &Path) -> bool {
    folder.join("xtask/Cargo.toml").is_file() && folder.join("wit").is_dir()
}
