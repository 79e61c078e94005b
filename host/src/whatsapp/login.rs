//! A copy of the part of a login that is in Local Storage, kept beside the profile's own.
//!
//! Chromium commits Local Storage late: a browser killed within about a minute of linking comes
//! back without it, though `IndexedDB` is whole. The copy (mode 0600, as secret as the profile it
//! lies in) is written when a session is synced, put back before the first document of a browser
//! looks, and removed when the login has ended. A later document never gets it: after a log-out it
//! would bring back a login whose keys are gone.

use std::{collections::BTreeMap, fs, io, path::Path};

use crate::files;

const FILE: &str = ".wharf-login.json";
/// The largest copy that is read, in bytes; a real one has a few thousand.
const LIMIT: u64 = 1 << 20;

pub(super) type Entries = BTreeMap<String, String>;

/// Writes the copy. Returns when it is on disk.
///
/// # Errors
/// When the entries are larger than a copy may be that is read again, and when the profile cannot
/// be written.
pub(super) fn keep(profile: &Path, entries: &Entries) -> io::Result<()> {
    let text = serde_json::to_vec(entries)?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > LIMIT {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it has {} bytes, and at most {LIMIT} are kept", text.len()),
        ));
    }
    let path = profile.join(FILE);
    if files::read(&path, LIMIT).is_ok_and(|known| known == text) {
        return Ok(());
    }
    files::write(&path, &text)
}

/// The copy, if there is a readable one.
pub(super) fn copy(profile: &Path) -> Option<Entries> {
    serde_json::from_slice(&files::read(&profile.join(FILE), LIMIT).ok()?).ok()
}

/// Whether a profile has a copy of its login: a session on it was linked and synced, and its login
/// has not ended since.
#[must_use]
pub fn is_kept(profile: &Path) -> bool {
    copy(profile).is_some()
}

/// Removes the copy.
///
/// # Errors
/// When it exists and cannot be removed.
pub(super) fn forget(profile: &Path) -> io::Result<()> {
    match fs::remove_file(profile.join(FILE)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_copy_is_kept_private_and_forgotten() {
        let dir = tempfile::tempdir().expect("tempdir");
        assert_eq!(copy(dir.path()), None);
        let entries: Entries = [("last-wid-md".to_owned(), "\"1:2@c.us\"".to_owned())].into();
        keep(dir.path(), &entries).expect("kept");
        assert_eq!(copy(dir.path()), Some(entries));
        let mode = fs::metadata(dir.path().join(FILE))
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        forget(dir.path()).expect("forgotten");
        forget(dir.path()).expect("twice is no error");
        assert_eq!(copy(dir.path()), None);
        let entry = |length| [("k".to_owned(), "x".repeat(length))].into();
        let limit = usize::try_from(LIMIT).expect("small");
        // `{"k":"…"}`
        keep(dir.path(), &entry(limit - 8)).expect("the largest");
        assert!(copy(dir.path()).is_some(), "it can be read again");
        let kept = copy(dir.path());
        let error = keep(dir.path(), &entry(limit - 7)).expect_err("too large to be read again");
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(copy(dir.path()), kept, "the copy of before stays");
        fs::write(dir.path().join(FILE), "{").expect("written");
        assert_eq!(copy(dir.path()), None, "a torn copy is none");
    }
}
