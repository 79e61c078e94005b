//! The layout below the session root, and the folders of a profile that are not worth keeping.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use nix::unistd::{AccessFlags, access};

use crate::model::ClientId;

/// Caches, which Chromium recreates when they are missing.
pub(super) const CACHES: [&str; 10] = [
    "Default/Cache",
    "Default/Code Cache",
    "Default/GPUCache",
    "Default/DawnGraphiteCache",
    "Default/DawnWebGPUCache",
    "Default/Service Worker/CacheStorage",
    "GrShaderCache",
    "GraphiteDawnCache",
    "ShaderCache",
    "component_crx_cache",
];

/// Crash dumps. They may contain parts of memory, so they are not put into backups either.
pub(super) const DUMPS: [&str; 3] = ["Crash Reports", "Crashpad", "Default/Crashpad"];

/// The prefix of folders in which a profile is being made; one that a crash left behind is removed
/// once it is old.
pub(super) const INCOMING: &str = ".incoming-";

/// The profile of a session, in the layout of whatsapp-web.js' `LocalAuth`, so that its logins are
/// found and kept.
#[must_use]
pub fn profile_dir(root: &Path, client: &ClientId) -> PathBuf {
    auth_dir(root).join(format!("session-{client}"))
}

/// The folder of the shared browser; it contains links to the profiles.
#[must_use]
pub fn shared_dir(root: &Path) -> PathBuf {
    auth_dir(root).join(".shared")
}

pub(super) fn auth_dir(root: &Path) -> PathBuf {
    root.join(".wwebjs_auth")
}

pub(super) fn shelf(root: &Path) -> PathBuf {
    root.join(".quarantine")
}

/// The client whose profile has this folder name.
pub(super) fn client_of(name: &str) -> Option<ClientId> {
    name.strip_prefix("session-")?.parse().ok()
}

/// Creates the session root (mode 0700) and checks that it can be written.
///
/// # Errors
/// When it cannot be created or written; the caller names the path.
pub fn prepare_root(root: &Path) -> io::Result<()> {
    private_dir(&auth_dir(root))?;
    probe(root)
}

/// Finds out, without changing anything, whether [`prepare_root`] can create and write the session
/// root. Returns whether the root exists; otherwise the first start creates it.
///
/// # Errors
/// Why it cannot be created or written, judged by permissions and by the kind of mount.
pub fn inspect_root(root: &Path) -> io::Result<bool> {
    let auth = auth_dir(root);
    let there = auth
        .ancestors()
        .find(|path| fs::symlink_metadata(path).is_ok());
    // A relative path ends in the working directory.
    let there = there
        .filter(|path| !path.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    if !fs::metadata(there)?.is_dir() {
        return Err(io::Error::other(format!(
            "{} is not a directory",
            there.display()
        )));
    }
    may_write(there)?;
    Ok(root.exists())
}

/// Whether files can be created in a folder, by its permissions and the kind of its mount.
pub(super) fn may_write(dir: &Path) -> io::Result<()> {
    access(dir, AccessFlags::W_OK | AccessFlags::X_OK)?;
    Ok(())
}

/// Creates a folder, and its missing parents, with mode 0700.
pub(super) fn private_dir(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

/// Checks that a folder can be written by creating a file: permissions alone do not reveal a
/// read-only or full file system. Each check has its own file, because sessions that start together
/// check the same folder.
pub(super) fn probe(dir: &Path) -> io::Result<()> {
    tempfile::Builder::new()
        .prefix(".probe-")
        .tempfile_in(dir)?
        .close()
}

pub(super) fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root)
        .unwrap_or(path)
        .display()
        .to_string()
}

/// Whether a profile may hold a login. A login needs Local Storage; a folder with neither that nor
/// `IndexedDB` never held one.
pub(super) fn may_hold_login(profile: &Path) -> bool {
    profile.join("Default/Local Storage").is_dir() || profile.join("Default/IndexedDB").is_dir()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_is_inspected_without_being_made() {
        let dir = tempfile::tempdir().expect("tempdir");
        let root = dir.path().join("one/two");
        assert!(!inspect_root(&root).expect("can be made"));
        assert_eq!(fs::read_dir(dir.path()).expect("read").count(), 0);
        prepare_root(&root).expect("made");
        assert!(inspect_root(&root).expect("good"));

        let file = dir.path().join("file");
        fs::write(&file, "").expect("written");
        for root in [file.join("root"), file] {
            let error = inspect_root(&root).expect_err("a file").to_string();
            assert!(error.contains("file is not a directory"), "{error}");
        }
        let lost = dir.path().join("lost");
        std::os::unix::fs::symlink("/nowhere-at-all", &lost).expect("linked");
        inspect_root(&lost).expect_err("a link to nothing");
    }
}
