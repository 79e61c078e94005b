//! The paths of the repository and its programs, and the environment of the commands.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// The root folder of the repository. It is looked up at run time: after a checkout was copied or
/// moved, its target folder still has programs that were built in the old place, and cargo does not
/// rebuild them.
pub(crate) fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        // `cargo run` sets the variable; otherwise the search starts in the working directory and
        // then in the program's folder.
        let starts = [
            env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from),
            env::current_dir().ok(),
            env::current_exe().ok(),
        ];
        find(starts.into_iter().flatten()).unwrap_or_else(|| ".".into())
    })
}

/// The repository of the first of these paths that is inside of one.
fn find(starts: impl IntoIterator<Item = PathBuf>) -> Option<PathBuf> {
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

/// Cargo's target folder, which all packages share.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// The path of a program of the workspace after `cargo build`.
pub(crate) fn program(name: &str) -> PathBuf {
    target().join("debug").join(name)
}

/// A cargo command without the variables that `cargo run` has set for this process: build scripts
/// that watch those variables would see a change, and everything that depends on them would be
/// built again.
pub(crate) fn cargo() -> Command {
    clean(Command::new(
        env::var_os("CARGO").unwrap_or_else(|| "cargo".into()),
    ))
}

/// Removes the variables that `cargo run` has set from the command's environment.
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

/// Whether this process runs as root and may install system packages.
pub(crate) fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

/// Finds a program on the `PATH`.
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
