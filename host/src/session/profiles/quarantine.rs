//! The quarantine: folders that may hold a login and belong to no session, and profiles that an
//! operator moved there.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use serde::Serialize;

use super::{
    ProfileError,
    facts::measure,
    failed, hold,
    layout::{auth_dir, private_dir, relative, shelf},
};
use crate::{
    browser,
    model::{ClientId, Timestamp},
};

/// A folder in quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Quarantined {
    /// The name that [`bring_back`] takes: the old name of the folder and the time,
    /// `session-<id>-<ms>`.
    pub name: String,
    /// The path, relative to the session root.
    pub path: String,
    /// Disk space of all files, in bytes.
    pub bytes: u64,
    /// When it was moved to quarantine, if its name says so.
    pub since: Option<Timestamp>,
}

/// The folders in quarantine, sorted by name.
///
/// # Errors
/// When the folder cannot be read. A missing folder means an empty list.
pub fn quarantined(root: &Path) -> Result<Vec<Quarantined>, ProfileError> {
    let shelf = shelf(root);
    if !shelf.exists() {
        return Ok(vec![]);
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(&shelf).map_err(failed("read", &shelf))? {
        let path = entry.map_err(failed("read", &shelf))?.path();
        if !path.is_dir() {
            continue;
        }
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let since = parts(&name).map(|(_, since)| since);
        found.push(Quarantined {
            path: relative(root, &path),
            bytes: measure(&path).bytes,
            since,
            name,
        });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// Moves the profile of a client to quarantine; its session starts again with a QR code.
///
/// # Errors
/// While the profile is in use, and when it cannot be moved.
pub fn set_aside(root: &Path, client: &ClientId) -> Result<Quarantined, ProfileError> {
    let (dir, _lock) = hold(root, client)?;
    let target = shelve(root, &dir)?;
    let name = target
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let since = parts(&name).map(|(_, since)| since);
    Ok(Quarantined {
        path: relative(root, &target),
        bytes: measure(&target).bytes,
        since,
        name,
    })
}

/// Moves a folder to quarantine; returns its new path.
pub(super) fn shelve(root: &Path, dir: &Path) -> Result<PathBuf, ProfileError> {
    let shelf = shelf(root);
    private_dir(&shelf).map_err(failed("make", &shelf))?;
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let target = shelf.join(format!("{name}-{}", Timestamp::now().0));
    fs::rename(dir, &target).map_err(failed("set aside", dir))?;
    Ok(target)
}

/// Moves a folder from quarantine back to its place; returns that place.
///
/// # Errors
/// When there is no such name, when a profile is in that place again, and when the folder is in
/// use.
pub fn bring_back(root: &Path, name: &str) -> Result<PathBuf, ProfileError> {
    let missing = || ProfileError::NotQuarantined(name.to_owned());
    let plain = Path::new(name)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    let source = shelf(root).join(name);
    let (old, _) = parts(name)
        .filter(|_| plain && source.is_dir())
        .ok_or_else(missing)?;
    let target = auth_dir(root).join(old);
    if fs::symlink_metadata(&target).is_ok() {
        return Err(ProfileError::Exists(target));
    }
    if let Some(pid) = browser::profile_user(&source) {
        return Err(ProfileError::InUse(browser::BrowserError::ProfileInUse {
            profile: source,
            pid,
        }));
    }
    fs::rename(&source, &target).map_err(failed("bring back", &source))?;
    Ok(target)
}

/// Splits a name in quarantine into the old name and the time.
fn parts(name: &str) -> Option<(&str, Timestamp)> {
    let (old, millis) = name.rsplit_once('-')?;
    Some((old, Timestamp(millis.parse().ok()?)))
}
