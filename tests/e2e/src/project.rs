//! Where the repository is.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The repository, found when the program runs: one that was copied or moved has the programs of
/// the old place in its target folder, and cargo sees no reason to build them again.
#[must_use]
pub fn root() -> PathBuf {
    // Set by `cargo run` and `cargo test`; without it, where we stand and where the program lies.
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
