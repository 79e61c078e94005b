//! What can be said of profiles from the outside.

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

/// What is known of a profile from the outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
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

/// A profile of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedProfile {
    /// Whose; none: a folder of another program (`session` without a name), which can be adopted.
    pub client: Option<ClientId>,
    /// Relative to the session root.
    pub path: String,
    /// Bytes of all files.
    pub bytes: u64,
    /// Whether it holds a login.
    pub login: Login,
    /// The browser that uses it; 0: one whose pid is not known.
    pub used_by: Option<i32>,
    /// Seconds since a file in it was written.
    pub idle_seconds: Option<u64>,
}

/// What can be said of a login without opening the profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Login {
    /// A session on it was linked, and has not ended since.
    Held,
    /// WhatsApp Web has been in it: another program's login, or a QR that nobody scanned.
    Possible,
    /// WhatsApp Web has never been in it.
    Absent,
}

fn login(profile: &Path) -> Login {
    match may_hold_login(profile) {
        true if keeps_login(profile) => Login::Held,
        true => Login::Possible,
        false => Login::Absent,
    }
}

/// A login that whatsapp-web.js made without a client id (`session`), while the profile of `client`
/// holds none that could be it: `client` is about to show a QR, and this login would save the scan.
#[must_use]
pub fn unadopted(root: &Path, client: &ClientId) -> Option<PathBuf> {
    let (found, own) = (auth_dir(root).join("session"), profile_dir(root, client));
    // One that was adopted and never started looks as it came.
    let adopted = login(&own) == Login::Possible && !browser::was_held(&own);
    (may_hold_login(&found) && login(&own) != Login::Held && !adopted).then_some(found)
}

/// The profiles below the session root, by name.
///
/// # Errors
/// When the folder cannot be read. One that is not there holds none.
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
    /// Since something was written; none: nothing is there, or the clock went back.
    pub(super) fn idle(&self) -> Option<Duration> {
        self.newest?.elapsed().ok()
    }
}

/// Adds up a file or a folder without following links. Files that vanish meanwhile are passed over.
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
