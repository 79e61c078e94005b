//! Facts about profiles that can be determined from outside.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    ProfileError, failed,
    layout::{auth_dir, client_of, may_hold_login, profile_dir, relative},
};
use crate::{browser, model::ClientId, whatsapp::keeps_login};

/// Facts about a profile, determined from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProfileFacts {
    /// The path, relative to the session root.
    pub path: String,
    /// Whether the profile exists.
    pub exists: bool,
    /// Whether this process may write into it.
    pub writable: bool,
    /// Disk space of all files, in bytes.
    pub bytes: u64,
    /// Number of files.
    pub files: u64,
    /// Seconds since a file in it was last written.
    pub idle_seconds: Option<u64>,
}

/// Examines the profile of a session. Reads the whole folder, so call it where blocking is allowed.
#[must_use]
pub fn facts(root: &Path, client: &ClientId) -> ProfileFacts {
    let dir = profile_dir(root, client);
    let size = measure(&dir);
    let path = relative(root, &dir);
    let writable = nix::unistd::access(&dir, nix::unistd::AccessFlags::W_OK).is_ok();
    let idle_seconds = size.idle().map(|idle| idle.as_secs());
    ProfileFacts {
        path,
        exists: dir.is_dir(),
        writable,
        bytes: size.bytes,
        files: size.files,
        idle_seconds,
    }
}

/// An entry of the list of profiles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedProfile {
    /// The client; `None` for a folder of another program (`session` without a name), which can be
    /// adopted.
    pub client: Option<ClientId>,
    /// The path, relative to the session root.
    pub path: String,
    /// Disk space of all files, in bytes.
    pub bytes: u64,
    /// Whether it holds a login.
    pub login: Login,
    /// The pid of the browser that uses it; 0 if a browser uses it whose pid is not known.
    pub used_by: Option<i32>,
    /// Seconds since a file in it was last written.
    pub idle_seconds: Option<u64>,
}

/// What is known about a login without opening the profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Login {
    /// A session on it was linked, and the login has not ended since.
    Held,
    /// WhatsApp Web has used the profile: it may hold another program's login, or only a QR code
    /// that nobody scanned.
    Possible,
    /// WhatsApp Web has never used the profile.
    Absent,
}

fn login(profile: &Path) -> Login {
    match may_hold_login(profile) {
        true if keeps_login(profile) => Login::Held,
        true => Login::Possible,
        false => Login::Absent,
    }
}

/// The login that whatsapp-web.js made without a client id (folder `session`), if the profile of
/// `client` does not hold it already: `client` is about to show a QR code, and adopting this login
/// would make the scan unnecessary.
#[must_use]
pub fn unadopted(root: &Path, client: &ClientId) -> Option<PathBuf> {
    let (found, own) = (auth_dir(root).join("session"), profile_dir(root, client));
    // A login that was adopted and never started looks like this.
    let adopted = login(&own) == Login::Possible && !browser::was_held(&own);
    (may_hold_login(&found) && login(&own) != Login::Held && !adopted).then_some(found)
}

/// The profiles below the session root, sorted by name.
///
/// # Errors
/// When the folder cannot be read. A missing folder means an empty list.
pub fn list(root: &Path) -> Result<Vec<ListedProfile>, ProfileError> {
    let dir = auth_dir(root);
    if !dir.exists() {
        return Ok(vec![]);
    }
    let mut profiles = Vec::new();
    for entry in fs::read_dir(&dir).map_err(failed("read", &dir))? {
        let path = entry.map_err(failed("read", &dir))?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if !name.starts_with("session") || !path.is_dir() {
            continue;
        }
        let size = measure(&path);
        profiles.push(ListedProfile {
            client: client_of(&name),
            path: relative(root, &path),
            bytes: size.bytes,
            login: login(&path),
            used_by: browser::profile_user(&path),
            idle_seconds: size.idle().map(|idle| idle.as_secs()),
        });
    }
    profiles.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(profiles)
}

#[derive(Debug, Default)]
pub(super) struct Size {
    pub(super) bytes: u64,
    pub(super) files: u64,
    newest: Option<SystemTime>,
}

impl Size {
    /// The time since the last write; `None` when nothing exists or the clock was set back.
    pub(super) fn idle(&self) -> Option<Duration> {
        self.newest?.elapsed().ok()
    }
}

/// Measures a file or a folder without following links. Files that disappear meanwhile are skipped.
pub(super) fn measure(path: &Path) -> Size {
    let mut size = Size::default();
    let mut open = vec![path.to_owned()];
    while let Some(path) = open.pop() {
        let Ok(meta) = fs::symlink_metadata(&path) else {
            continue;
        };
        size.newest = size.newest.max(meta.modified().ok());
        if meta.is_dir() {
            open.extend(
                fs::read_dir(&path)
                    .into_iter()
                    .flatten()
                    .flatten()
                    .map(|entry| entry.path()),
            );
        } else {
            size.bytes += meta.blocks() * 512;
            size.files += 1;
        }
    }
    size
}
