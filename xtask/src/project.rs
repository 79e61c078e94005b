//! The paths of the repository and its programs, and the environment of the commands.

use std::{env, ffi::OsString, io, path::PathBuf, process::Command, sync::OnceLock};

#[path = "root.rs"]
mod root;

pub(crate) use root::{is_repository, root};

/// The folder in which the user called `cargo xtask`, before [`go_to_root`].
static HERE: OnceLock<PathBuf> = OnceLock::new();

/// Makes the repository's root the working directory. Paths on the command line are relative to
/// the folder of the user, see [`from_here`].
pub(crate) fn go_to_root() -> io::Result<()> {
    HERE.get_or_init(|| env::current_dir().unwrap_or_default());
    env::set_current_dir(root())
}

/// A path of the command line, resolved against the folder in which the user called us.
pub(crate) fn from_here(path: &str) -> PathBuf {
    HERE.get()
        .map_or_else(|| path.into(), |here| here.join(path))
}

/// The arguments with the file of `--config` (`-c`) resolved by [`from_here`].
pub(crate) fn config_from_here(args: &[String]) -> Vec<OsString> {
    let mut follows = false;
    let resolved = |arg: &String| {
        if std::mem::replace(&mut follows, arg == "--config" || arg == "-c") {
            return from_here(arg).into();
        }
        for start in ["--config=", "-c=", "-c"] {
            if let Some(value) = arg.strip_prefix(start).filter(|value| !value.is_empty()) {
                let mut whole = OsString::from(start);
                whole.push(from_here(value));
                return whole;
            }
        }
        arg.into()
    };
    args.iter().map(resolved).collect()
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
        assert_eq!(root::find([copy.join("xtask/src")]), Some(copy.clone()));
        assert_eq!(
            root::find([folder.path().to_owned(), copy.join("docs")]),
            Some(copy)
        );
        assert_eq!(root::find([folder.path().to_owned()]), None);
    }

    #[test]
    fn a_configuration_is_looked_for_where_the_user_is() {
        HERE.get_or_init(|| "/home/ada".into());
        let of = |args: &[&str]| {
            let args: Vec<String> = args.iter().map(ToString::to_string).collect();
            let resolved = config_from_here(&args).into_iter();
            resolved
                .map(|arg| arg.into_string().expect("text"))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            of(&["--standin", "--config", "a.toml"])[2],
            "/home/ada/a.toml"
        );
        assert_eq!(
            of(&["-c", "/etc/a.toml", "check"]),
            ["-c", "/etc/a.toml", "check"]
        );
        assert_eq!(of(&["--config=a.toml"]), ["--config=/home/ada/a.toml"]);
        assert_eq!(of(&["-ca.toml"]), ["-c/home/ada/a.toml"]);
    }
}
