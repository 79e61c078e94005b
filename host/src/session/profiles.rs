//! Profile directories: where they lie, what is in them, and what may be thrown away.
//!
//! A login is never thrown away here. Only caches, and folders that hold no WhatsApp storage, are removed; an
//! orphan that may hold a login is set aside under `.quarantine`, where a person finds it again.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use serde::Serialize;
use tracing::warn;

use crate::model::{ClientId, Timestamp};

/// Chromium makes these anew when they are missing.
const CACHES: [&str; 8] = [
    "Default/Cache",
    "Default/Code Cache",
    "Default/GPUCache",
    "Default/DawnGraphiteCache",
    "Default/DawnWebGPUCache",
    "GrShaderCache",
    "ShaderCache",
    "Crash Reports",
];

/// The profile of a session: the layout of whatsapp-web.js' `LocalAuth`, so that its logins are found and kept.
#[must_use]
pub fn profile_dir(root: &Path, client: &ClientId) -> PathBuf {
    auth_dir(root).join(format!("session-{client}"))
}

fn auth_dir(root: &Path) -> PathBuf {
    root.join(".wwebjs_auth")
}

/// Creates the session root (mode 0700) and proves that it can be written.
///
/// # Errors
/// When it cannot be created or written; the caller names the path.
pub fn prepare_root(root: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(auth_dir(root))?;
    let probe = root.join(format!(".probe-{}", std::process::id()));
    fs::write(&probe, b"")?;
    fs::remove_file(&probe)
}

/// What is known of a profile from the outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProfileFacts {
    /// Relative to the session root.
    pub path: String,
    /// It is there.
    pub exists: bool,
    /// This process may write into it.
    pub writable: bool,
    /// Bytes of all files.
    pub bytes: u64,
    /// Number of files.
    pub files: u64,
    /// Seconds since a file in it was written.
    pub idle_seconds: Option<u64>,
}

/// Looks at the profile of a session. Reads the whole folder: call it where blocking is allowed.
#[must_use]
pub fn facts(root: &Path, client: &ClientId) -> ProfileFacts {
    let dir = profile_dir(root, client);
    let size = measure(&dir);
    let path = dir.strip_prefix(root).unwrap_or(&dir).display().to_string();
    let writable = nix::unistd::access(&dir, nix::unistd::AccessFlags::W_OK).is_ok();
    let idle_seconds = size.newest.and_then(|newest| newest.elapsed().ok()).map(|idle| idle.as_secs());
    ProfileFacts { path, exists: dir.is_dir(), writable, bytes: size.bytes, files: size.files, idle_seconds }
}

/// What a clean-up did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cleanup {
    /// Folders removed, relative to the session root.
    pub removed: Vec<String>,
    /// Folders set aside, relative to the session root.
    pub quarantined: Vec<String>,
    /// Disk space gained.
    pub bytes_freed: u64,
}

/// Cleans the session root: caches of `idle` sessions (those without a browser), and folders that belong to none of
/// `known` and have not been written for `age`. Blocking.
///
/// # Errors
/// When the session root cannot be read. A folder that cannot be removed is logged and left.
pub fn clean(root: &Path, known: &[ClientId], idle: &[ClientId], age: Duration) -> io::Result<Cleanup> {
    let mut done = Cleanup::default();
    for client in idle {
        for cache in CACHES {
            done.remove(root, &profile_dir(root, client).join(cache));
        }
    }
    let owned: Vec<PathBuf> = known.iter().map(|client| profile_dir(root, client)).collect();
    for entry in fs::read_dir(auth_dir(root))? {
        let path = entry?.path();
        let named = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("session"));
        if !named || !path.is_dir() || owned.contains(&path) || !untouched(&path, age) {
            continue;
        }
        if may_hold_login(&path) {
            done.quarantine(root, &path);
        } else {
            done.remove(root, &path);
        }
    }
    Ok(done)
}

/// What becomes of the profile of a session that is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProfileFate {
    /// Set aside under `.quarantine`, where a person finds it again.
    #[default]
    SetAside,
    /// Deleted for good, the login with it.
    Delete,
}

/// Takes the profile of a deleted session away. Its browser must be gone. Blocking.
#[must_use]
pub fn discard(root: &Path, client: &ClientId, fate: ProfileFate) -> Cleanup {
    let (mut done, path) = (Cleanup::default(), profile_dir(root, client));
    match fate {
        ProfileFate::Delete => done.remove(root, &path),
        ProfileFate::SetAside if path.is_dir() => done.quarantine(root, &path),
        ProfileFate::SetAside => {}
    }
    done
}

impl Cleanup {
    fn remove(&mut self, root: &Path, path: &Path) {
        if !path.is_dir() {
            return;
        }
        let size = measure(path);
        match fs::remove_dir_all(path) {
            Ok(()) => {
                self.bytes_freed += size.bytes;
                self.removed.push(relative(root, path));
            }
            Err(error) => warn!(path = relative(root, path), %error, "clean-up: cannot remove"),
        }
    }

    fn quarantine(&mut self, root: &Path, path: &Path) {
        let shelf = root.join(".quarantine");
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let target = shelf.join(format!("{name}-{}", Timestamp::now().0));
        match fs::create_dir_all(&shelf).and_then(|()| fs::rename(path, &target)) {
            Ok(()) => self.quarantined.push(relative(root, &target)),
            Err(error) => warn!(path = relative(root, path), %error, "clean-up: cannot set aside"),
        }
    }
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

/// WhatsApp's login needs Local Storage; a folder with neither that nor `IndexedDB` never held one.
fn may_hold_login(profile: &Path) -> bool {
    profile.join("Default/Local Storage").exists() || profile.join("Default/IndexedDB").exists()
}

fn untouched(path: &Path, age: Duration) -> bool {
    measure(path).newest.and_then(|newest| newest.elapsed().ok()).is_some_and(|idle| idle >= age)
}

#[derive(Default)]
struct Size {
    bytes: u64,
    files: u64,
    newest: Option<SystemTime>,
}

/// Adds up a folder without following links. Files that vanish meanwhile are passed over.
fn measure(path: &Path) -> Size {
    let mut size = Size::default();
    let mut open = vec![path.to_owned()];
    while let Some(path) = open.pop() {
        let Ok(meta) = fs::symlink_metadata(&path) else { continue };
        size.newest = size.newest.max(meta.modified().ok());
        if meta.is_dir() {
            open.extend(fs::read_dir(&path).into_iter().flatten().flatten().map(|entry| entry.path()));
        } else {
            size.bytes += meta.blocks() * 512;
            size.files += 1;
        }
    }
    size
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(name: &str) -> ClientId {
        name.parse().expect("a client id")
    }

    fn fill(path: &Path) {
        fs::create_dir_all(path).expect("create");
        fs::write(path.join("data"), vec![1; 9000]).expect("write");
    }

    #[test]
    fn a_clean_up_never_removes_a_login() {
        let dir = tempfile::tempdir().expect("tempdir");
        let root = dir.path();
        prepare_root(root).expect("root");
        let (mine, running, orphan, empty) = (client("mine"), client("running"), client("orphan"), client("empty"));
        for owner in [&mine, &running, &orphan] {
            fill(&profile_dir(root, owner).join("Default/Local Storage/leveldb"));
            fill(&profile_dir(root, owner).join("Default/Cache"));
        }
        fill(&profile_dir(root, &empty));

        let young = clean(root, &[mine.clone(), running.clone()], &[], Duration::from_secs(3600)).expect("clean");
        assert_eq!(young, Cleanup::default(), "nothing is old enough, and no session is idle");

        let done = clean(root, &[mine.clone(), running.clone()], std::slice::from_ref(&mine), Duration::ZERO).expect("clean");
        assert_eq!(done.removed, [".wwebjs_auth/session-mine/Default/Cache", ".wwebjs_auth/session-empty"]);
        assert_eq!(done.quarantined.len(), 1);
        assert!(done.bytes_freed >= 18_000);
        for kept in [profile_dir(root, &mine), profile_dir(root, &running), root.join(&done.quarantined[0])] {
            assert!(kept.join("Default/Local Storage/leveldb/data").exists(), "{kept:?}");
        }
        assert!(profile_dir(root, &running).join("Default/Cache").exists(), "a running browser keeps its cache");
    }

    #[test]
    fn a_profile_is_described_relative_to_the_root() {
        let dir = tempfile::tempdir().expect("tempdir");
        let missing = facts(dir.path(), &client("a"));
        assert_eq!((missing.path.as_str(), missing.exists, missing.files), (".wwebjs_auth/session-a", false, 0));
        fill(&profile_dir(dir.path(), &client("a")));
        let there = facts(dir.path(), &client("a"));
        assert!(there.exists && there.writable && there.files == 1 && there.bytes >= 9000 && there.idle_seconds.is_some());
    }
}
