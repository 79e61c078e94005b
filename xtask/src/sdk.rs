//! The Rust SDK as it is installed: its source, the WIT package beside it, and a manifest that needs
//! no workspace.
//!
//! In the repository the SDK's manifest takes versions from the workspace. An author's crate that
//! depends on the installed folder has another workspace, so the values are written out. This is
//! done on lines, because a parser of TOML would be the first thing that a newcomer waits for.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};

use crate::project;

/// Sections that only the repository needs.
const LEFT_OUT: [&str; 3] = ["[lints]", "[dev-dependencies]", "[[example]]"];
/// Folders of the SDK. The second one holds the line of the contract that the SDK's macros read, by a
/// link, so that the SDK is complete as a package too.
const FOLDERS: [&str; 2] = ["sdk/src", "sdk/wit"];

/// Every file with its path below `share/wharf`.
pub(crate) fn files() -> Result<Vec<(String, Vec<u8>)>> {
    let root = project::root();
    let read = |path: &str| {
        fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"))
    };
    let manifest = manifest(&read("sdk/Cargo.toml")?, &read("Cargo.toml")?)?;
    let mut files = vec![
        ("sdk/Cargo.toml".to_owned(), manifest.into_bytes()),
        (
            "sdk/README.md".to_owned(),
            read("sdk/README.md")?.into_bytes(),
        ),
    ];
    for folder in FOLDERS {
        collect(root, folder, &mut files)?;
    }
    Ok(files)
}

fn collect(root: &Path, folder: &str, files: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    let wrong = || format!("cannot read {folder}");
    for entry in fs::read_dir(root.join(folder)).with_context(wrong)? {
        let entry = entry.with_context(wrong)?;
        let name = entry.file_name();
        let path = format!("{folder}/{}", name.to_str().with_context(wrong)?);
        // Follows links.
        if fs::metadata(entry.path()).with_context(wrong)?.is_dir() {
            collect(root, &path, files)?;
        } else {
            files.push((path, fs::read(entry.path()).with_context(wrong)?));
        }
    }
    Ok(())
}

/// The SDK's manifest with the values of the workspace's.
fn manifest(sdk: &str, workspace: &str) -> Result<String> {
    let (mut text, mut kept) = (String::new(), true);
    for line in sdk.lines() {
        if line.starts_with('[') {
            kept = !LEFT_OUT.contains(&line);
        }
        if !kept {
            continue;
        }
        match line.strip_suffix(".workspace = true") {
            Some(key) => {
                let prefix = format!("{key} = ");
                let value = workspace.lines().find(|line| line.starts_with(&prefix));
                text.push_str(
                    value.with_context(|| format!("Cargo.toml has no line `{prefix}…`"))?,
                );
            }
            None => text.push_str(line),
        }
        text.push('\n');
    }
    ensure!(
        !text.contains("workspace"),
        "sdk/Cargo.toml takes something from the workspace in a form that is not written out:\n{text}"
    );
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::{path::PathBuf, process::Command};

    use super::*;

    #[test]
    fn a_component_builds_with_the_installed_sdk() {
        let folder = tempfile::tempdir().expect("a folder");
        for (path, content) in files().expect("the files") {
            let place = folder.path().join(path);
            fs::create_dir_all(place.parent().expect("a folder")).expect("made");
            fs::write(place, content).expect("written");
        }
        // The versions of the repository, which are there already; newer ones are not the subject.
        for name in ["Cargo.lock", "rust-toolchain.toml"] {
            fs::copy(
                project::root().join(name),
                folder.path().join("sdk").join(name),
            )
            .expect("copied");
        }
        let check = project::cargo()
            .args(["check", "--offline", "--target", "wasm32-wasip2"])
            .env(
                "CARGO_TARGET_DIR",
                project::target().join("tmp/installed-sdk"),
            )
            .current_dir(folder.path().join("sdk"))
            .output()
            .expect("cargo");
        assert!(
            check.status.success(),
            "{}",
            String::from_utf8_lossy(&check.stderr)
        );
    }

    /// The files of the repository that a git dependency on the SDK needs, in a repository of their
    /// own: its path is always the same, so cargo keeps one clone of it.
    fn repository() -> PathBuf {
        let folder = project::target().join("tmp/sdk-repository");
        if folder.exists() {
            fs::remove_dir_all(&folder).expect("removed");
        }
        fs::create_dir_all(&folder).expect("made");
        let listed = Command::new("git")
            .args(["ls-files", "-z", "--", "Cargo.toml", "sdk", "wit"])
            .current_dir(project::root())
            .output()
            .expect("git");
        assert!(listed.status.success(), "{listed:?}");
        for path in String::from_utf8(listed.stdout)
            .expect("paths")
            .split_terminator('\0')
        {
            let (from, to) = (project::root().join(path), folder.join(path));
            fs::create_dir_all(to.parent().expect("a folder")).expect("made");
            match fs::read_link(&from) {
                Ok(link) => std::os::unix::fs::symlink(link, to).expect("a link"),
                Err(_) => drop(fs::copy(from, to).expect("copied")),
            }
        }
        for arguments in [
            &["init", "--quiet"][..],
            &["add", "--all"],
            &[
                "-c",
                "user.name=a",
                "-c",
                "user.email=a@example.org",
                "commit",
                "--quiet",
                "-m",
                "all",
            ],
        ] {
            let done = Command::new("git")
                .args(arguments)
                .current_dir(&folder)
                .output()
                .expect("git");
            assert!(done.status.success(), "{done:?}");
        }
        folder
    }

    #[test]
    fn a_crate_elsewhere_depends_on_the_sdk_by_git_and_by_path() {
        let root = project::root();
        let git = format!("git = \"file://{}\"", repository().display());
        let path = format!("path = {:?}", root.join("sdk"));
        for (name, source) in [("by-git", git), ("by-path", path)] {
            let folder = tempfile::tempdir().expect("a folder");
            let write = |name: &str, text: &str| {
                let place = folder.path().join(name);
                fs::create_dir_all(place.parent().expect("a folder")).expect("made");
                fs::write(place, text).expect("written");
            };
            write(
                "Cargo.toml",
                &format!(
                    "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[lib]\ncrate-type = [\"cdylib\"]\n\n[dependencies]\nwharf-plugin = {{ {source} }}\nserde = {{ version = \"1\", features = [\"derive\"] }}\n\n[workspace]\n"
                ),
            );
            write("src/lib.rs", include_str!("../../sdk/examples/notifier.rs"));
            // The versions of the repository, which are there already.
            for name in ["Cargo.lock", "rust-toolchain.toml"] {
                fs::copy(root.join(name), folder.path().join(name)).expect("copied");
            }
            let built = project::cargo()
                .args(["build", "--target", "wasm32-wasip2"])
                .env(
                    "CARGO_TARGET_DIR",
                    project::target().join("tmp/outside-sdk"),
                )
                .current_dir(folder.path())
                .output()
                .expect("cargo");
            assert!(
                built.status.success(),
                "{name}: {}",
                String::from_utf8_lossy(&built.stderr)
            );
        }
    }

    #[test]
    fn a_form_that_is_not_known_is_refused_and_not_shipped() {
        let workspace = "version = \"1\"\nserde = \"1\"\n";
        assert_eq!(
            manifest("[package]\nversion.workspace = true\n[lints]\nworkspace = true\n[dependencies]\nserde.workspace = true\n", workspace).expect("written out"),
            "[package]\nversion = \"1\"\n[dependencies]\nserde = \"1\"\n"
        );
        for other in [
            "[dependencies]\nhex.workspace = true\n",
            "[dependencies]\nserde = { workspace = true }\n",
        ] {
            assert!(manifest(other, workspace).is_err(), "{other}");
        }
    }
}
