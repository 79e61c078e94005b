//! Clean-up: removes what nobody will miss. A dry run only reports what would be done.

use std::{fs, io, path::Path, time::Duration};

use serde::Serialize;
use tracing::{debug, warn};

use super::{
    ProfileError,
    facts::measure,
    failed,
    layout::{CACHES, DUMPS, INCOMING, auth_dir, may_hold_login, profile_dir, relative},
    quarantine::shelve,
};
use crate::{browser, model::ClientId};

/// What a clean-up did, or would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Cleanup {
    /// Whether this was a dry run, which changes nothing.
    pub dry_run: bool,
    /// Folders removed, relative to the session root.
    pub removed: Vec<String>,
    /// Folders moved to quarantine, relative to the session root: their new paths, or in a dry run
    /// their current ones.
    pub quarantined: Vec<String>,
    /// Disk space gained, in bytes.
    pub bytes_freed: u64,
}

/// Cleans the session root: removes caches and crash dumps of `idle` sessions (those without a
/// browser), and folders that belong to none of `known` and have not been written for `age`. A
/// folder that may hold a login is moved to quarantine instead. Blocking.
///
/// # Errors
/// When the session root cannot be read. A folder that cannot be removed is logged and left.
pub fn clean(
    root: &Path,
    known: &[ClientId],
    idle: &[ClientId],
    age: Duration,
    dry_run: bool,
) -> io::Result<Cleanup> {
    let mut broom = Broom {
        root,
        done: Cleanup {
            dry_run,
            ..Cleanup::default()
        },
    };
    for client in idle {
        let profile = profile_dir(root, client);
        broom.with(&profile, |broom| {
            for folder in CACHES.iter().chain(&DUMPS) {
                broom.remove(&profile.join(folder));
            }
        });
    }
    let mut entries: Vec<_> = fs::read_dir(auth_dir(root))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    entries.sort();
    for path in entries {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let owned = known.iter().any(|client| profile_dir(root, client) == path);
        // A link may lead to files that are not ours.
        let real = fs::symlink_metadata(&path).is_ok_and(|meta| meta.is_dir());
        if owned || !real || measure(&path).idle().is_none_or(|idle| idle < age) {
            continue;
        }
        if name.starts_with(INCOMING) {
            broom.remove(&path);
        } else if name.starts_with("session") {
            broom.with(&path, |broom| {
                if may_hold_login(&path) {
                    broom.quarantine(&path)
                } else {
                    broom.remove(&path)
                }
            });
        }
    }
    Ok(broom.done)
}

/// What to do with the profile of a session that is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ProfileFate {
    /// Move it to `.quarantine`, where an operator can find it.
    #[default]
    SetAside,
    /// Delete it for good, including the login.
    Delete,
}

/// Takes the profile of a deleted session away. Its browser must be gone. Blocking.
///
/// # Errors
/// When the profile is there and cannot be moved or deleted: the login may still be on the disk, in
/// whole or in part.
pub fn discard(root: &Path, client: &ClientId, fate: ProfileFate) -> Result<Cleanup, ProfileError> {
    let path = profile_dir(root, client);
    let mut done = Cleanup::default();
    match fs::symlink_metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(done),
        Err(error) => return Err(failed("look at", path)(error)),
        Ok(_) => {}
    }
    match fate {
        ProfileFate::Delete => {
            let size = measure(&path);
            fs::remove_dir_all(&path).map_err(failed("delete", &path))?;
            done.bytes_freed = size.bytes;
            done.removed.push(relative(root, &path));
        }
        ProfileFate::SetAside => {
            let place = shelve(root, &path)?;
            done.quarantined.push(relative(root, &place));
        }
    }
    Ok(done)
}

struct Broom<'a> {
    root: &'a Path,
    done: Cleanup,
}

impl Broom<'_> {
    /// Works in a profile while holding its lock: a browser may have been started since the session
    /// was found idle.
    fn with(&mut self, profile: &Path, work: impl FnOnce(&mut Self)) {
        if !profile.is_dir() {
            return;
        }
        if self.done.dry_run {
            if browser::profile_user(profile).is_none() {
                work(self);
            }
            return;
        }
        match browser::hold_profile(profile) {
            Ok(_lock) => work(self),
            Err(error) => debug!(%error, "clean-up: passed over"),
        }
    }

    fn remove(&mut self, path: &Path) {
        if !path.is_dir() {
            return;
        }
        let size = measure(path);
        let removed = if self.done.dry_run {
            Ok(())
        } else {
            fs::remove_dir_all(path)
        };
        match removed {
            Ok(()) => {
                self.done.bytes_freed += size.bytes;
                self.done.removed.push(relative(self.root, path));
            }
            Err(error) => {
                warn!(path = relative(self.root, path), %error, "clean-up: cannot remove")
            }
        }
    }

    fn quarantine(&mut self, path: &Path) {
        let shelved = if self.done.dry_run {
            Ok(path.to_owned())
        } else {
            shelve(self.root, path)
        };
        match shelved {
            Ok(place) => self.done.quarantined.push(relative(self.root, &place)),
            Err(error) => warn!(%error, "clean-up: cannot set aside"),
        }
    }
}
