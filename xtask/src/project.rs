//! Where things lie.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// The repository, found when the program runs: one that was copied or moved has the programs of
/// the old place in its target folder, and cargo sees no reason to build them again.
pub(crate) fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        // Set by `cargo run`; without it, where we stand and where the program lies.
        let starts = [
            env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from),
            env::current_dir().ok(),
            env::current_exe().ok(),
        ];
        find(starts.into_iter().flatten()).unwrap_or_else(|| ".".into())
    })
}

/// The first of these places that lies in a repository, and the folder of that.
fn find(starts: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
    starts.into_iter().find_map(|start| {
        start
            .ancestors()
            .find(|folder| is_repository(folder))
            .map(Path::to_owned)
    })
}

/// Whether this is a copy of the repository.
pub(crate) fn is_repository(folder: &Path) -> bool {
    folder.join("xtask/Cargo.toml").is_file() && folder.join("wit").is_dir()
}

/// Cargo's target folder: one for everything.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// A program of the workspace, as `cargo build` leaves it.
pub(crate) fn program(name: &str) -> PathBuf {
    target().join("debug").join(name)
}

/// Cargo, without what the `cargo run` around us has put into the environment: build scripts that
/// watch those variables would see a change, and everything behind them would be built again.
pub(crate) fn cargo() -> Command {
    clean(Command::new(
        env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
    ))
}

/// `command` with the environment that a shell would give it.
pub(crate) fn clean(mut command: Command) -> Command {
    for (name, _) in env::vars_os() {
        let Some(text) = name.to_str() else { continue };
        if text.starts_with("CARGO_PKG_")
            || matches!(
                text,
                "CARGO_MANIFEST_DIR"
                    | "CARGO_MANIFEST_PATH"
                    | "CARGO_BIN_NAME"
                    | "CARGO_CRATE_NAME"
                    | "CARGO_PRIMARY_PACKAGE"
            )
        {
            command.env_remove(name);
        }
    }
    command
}

/// Whether we may install system packages.
pub(crate) fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// A program on the `PATH`.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|dir| dir.join(name))
        .find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_repository_is_the_one_around_us_and_not_the_one_the_program_was_built_in() {
        let folder = tempfile::tempdir().expect("a folder");
        let copy = folder.path().join("copy");
        fs::create_dir_all(copy.join("xtask/src")).expect("made");
        fs::create_dir_all(copy.join("wit")).expect("made");
        fs::create_dir_all(copy.join("docs")).expect("made");
        fs::write(copy.join("xtask/Cargo.toml"), "").expect("written");
        assert_eq!(find([copy.join("xtask/src")]), Some(copy.clone()));
        assert_eq!(
            find([folder.path().to_owned(), copy.join("docs")]),
            Some(copy)
        );
        assert_eq!(find([folder.path().to_owned()]), None);
    }
}
