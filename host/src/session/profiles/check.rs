//! Checks whether a browser can be started on a profile. This is checked beforehand, because
//! Chromium's own errors do not help, and because a profile that cannot be written makes WhatsApp
//! Web log the account out.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use nix::{errno::Errno, sys::statvfs::statvfs};
use tracing::warn;

use super::layout::{auth_dir, may_write, private_dir, probe, profile_dir, shelf};
use crate::{
    files::{self, Exposed},
    model::ClientId,
};

/// The free space in bytes below which no browser is started: a full disk breaks the storage of the
/// login.
pub(super) const MIN_FREE: u64 = 20 << 20;
/// The free space in bytes below which a warning is logged.
const LOW_FREE: u64 = 200 << 20;
/// The name of a profile in error messages.
const PROFILE: &str = "profile";

/// Why no browser can be started on a profile.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileProblem {
    /// The path is not a directory.
    #[error("{0} is not a directory; move it away")]
    NotADirectory(PathBuf),
    /// A link leads out of the session root.
    #[error(
        "{path} leads to {target}, outside of the session path {root}; put the profile itself there, or set [sessions] path"
    )]
    OutsideRoot {
        /// The profile.
        path: PathBuf,
        /// The target of the link.
        target: PathBuf,
        /// The session root.
        root: PathBuf,
    },
    /// The path cannot be written.
    #[error(
        "{path} cannot be written ({error}); mount it writable, and give it to the user that runs the gateway"
    )]
    ReadOnly {
        /// The path.
        path: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
    /// The file system is full.
    #[error(
        "only {free} bytes are free at {path}, and {MIN_FREE} are needed; free space, or move [sessions] path"
    )]
    NoSpace {
        /// The path.
        path: PathBuf,
        /// The free bytes.
        free: u64,
    },
    /// Other users may access the profile.
    #[error(transparent)]
    Exposed(#[from] Exposed),
    /// The path cannot be examined.
    #[error("{path} cannot be looked at: {error}")]
    Unreadable {
        /// The path.
        path: PathBuf,
        /// The error of the system.
        error: io::Error,
    },
}

/// Checks the profile of a session before a browser is started on it. A profile that does not exist
/// yet passes if it can be created. Permissions of other users are removed.
///
/// # Errors
/// See [`ProfileProblem`]; each message says what is wrong and what to do.
pub fn check_profile(root: &Path, client: &ClientId) -> Result<(), ProfileProblem> {
    let (auth, profile) = (auth_dir(root), profile_dir(root, client));
    let read_only = |path: &Path| {
        let path = path.to_owned();
        move |error| ProfileProblem::ReadOnly { path, error }
    };
    for part in [root, &auth] {
        directory(part)?;
    }
    private_dir(&auth).map_err(read_only(&auth))?;
    let exists = directory(&profile)?;
    let place = if exists { &profile } else { &auth };
    inside(root, place)?;
    space(place, 0)?;
    probe(place).map_err(|error| full_or(place, error))?;
    Ok(files::private_folder(PROFILE, &profile)?)
}

/// Checks the profile of a session as far as that is possible without changing anything. That it
/// can be written is judged by permissions and by the kind of mount. Whether other users can open
/// it is not checked.
///
/// # Errors
/// What is wrong, and what to do.
pub fn inspect_profile(root: &Path, client: &ClientId) -> Result<(), ProfileProblem> {
    let (auth, profile) = (auth_dir(root), profile_dir(root, client));
    let mut place = None;
    for part in [root, &auth, &profile] {
        if directory(part)? {
            place = Some(part);
        }
    }
    match place {
        // The start creates it, see `inspect_root`.
        None => Ok(()),
        Some(place) => {
            inside(root, place)?;
            space(place, 0)?;
            may_write(place).map_err(|error| full_or(place, error))
        }
    }
}

/// Whether the path is a directory (true) or does not exist (false).
fn directory(path: &Path) -> Result<bool, ProfileProblem> {
    let unreadable = |error| ProfileProblem::Unreadable {
        path: path.to_owned(),
        error,
    };
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => Ok(true),
        Ok(_) => Err(ProfileProblem::NotADirectory(path.to_owned())),
        // A dangling link counts as something that exists.
        Err(error) if error.kind() == io::ErrorKind::NotFound => match fs::symlink_metadata(path) {
            // Another session that starts has made it in between.
            Ok(meta) if meta.is_dir() => Ok(true),
            Ok(_) => Err(ProfileProblem::NotADirectory(path.to_owned())),
            Err(_) => Ok(false),
        },
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            Err(ProfileProblem::NotADirectory(path.to_owned()))
        }
        Err(error) => Err(unreadable(error)),
    }
}

/// Checks that a path stays below the root. The root itself may be a link (to a volume).
fn inside(root: &Path, path: &Path) -> Result<(), ProfileProblem> {
    let real = |path: &Path| {
        fs::canonicalize(path).map_err(|error| ProfileProblem::Unreadable {
            path: path.to_owned(),
            error,
        })
    };
    let (target, base) = (real(path)?, real(root)?);
    if target.starts_with(&base) {
        Ok(())
    } else {
        Err(ProfileProblem::OutsideRoot {
            path: path.to_owned(),
            target,
            root: base,
        })
    }
}

/// Checks that `wanted` more bytes fit at an existing path.
pub(super) fn space(path: &Path, wanted: u64) -> Result<(), ProfileProblem> {
    let stat = statvfs(path).map_err(|error| ProfileProblem::Unreadable {
        path: path.to_owned(),
        error: error.into(),
    })?;
    // Some file systems do not report their size and have 0 blocks in total.
    if stat.blocks() == 0 {
        return Ok(());
    }
    match room(
        stat.blocks_available().saturating_mul(stat.fragment_size()),
        wanted,
    ) {
        Room::None(free) => Err(ProfileProblem::NoSpace {
            path: path.to_owned(),
            free,
        }),
        Room::Little(free) => {
            warn!(path = %path.display(), free_bytes = free, "little space is left for profiles");
            Ok(())
        }
        Room::Enough => Ok(()),
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Room {
    None(u64),
    Little(u64),
    Enough,
}

fn room(free: u64, wanted: u64) -> Room {
    match free.checked_sub(wanted) {
        None | Some(..MIN_FREE) => Room::None(free),
        Some(MIN_FREE..LOW_FREE) => Room::Little(free),
        Some(_) => Room::Enough,
    }
}

fn full_or(path: &Path, error: io::Error) -> ProfileProblem {
    match error.raw_os_error().map(Errno::from_raw) {
        // A quota or the last inode is used up; statvfs reports neither.
        Some(Errno::ENOSPC | Errno::EDQUOT) => ProfileProblem::NoSpace {
            path: path.to_owned(),
            free: 0,
        },
        _ => ProfileProblem::ReadOnly {
            path: path.to_owned(),
            error,
        },
    }
}

/// The folders of all profiles below the session root: of sessions, of other programs, and those
/// that were set aside. Links are left out.
#[must_use]
pub fn profile_folders(root: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = [auth_dir(root), shelf(root)]
        .iter()
        .flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten())
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn room_is_enough_little_or_none() {
        assert_eq!(room(MIN_FREE - 1, 0), Room::None(MIN_FREE - 1));
        assert_eq!(room(MIN_FREE, 0), Room::Little(MIN_FREE));
        assert_eq!(room(LOW_FREE, 0), Room::Enough);
        assert_eq!(
            room(LOW_FREE, LOW_FREE - 1),
            Room::None(LOW_FREE),
            "what is to be written counts"
        );
        assert_eq!(room(1, 2), Room::None(1));
    }

    #[test]
    fn a_profile_is_good_before_and_after_it_is_made_and_is_made_private() {
        let dir = tempfile::tempdir().expect("tempdir");
        let client: ClientId = "a".parse().expect("id");
        let profile = profile_dir(dir.path(), &client);
        let missing = dir.path().join("missing");
        for root in [dir.path(), &missing] {
            inspect_profile(root, &client).expect("can be made");
        }
        assert_eq!(
            fs::read_dir(dir.path()).expect("read").count(),
            0,
            "an inspection makes nothing"
        );
        check_profile(dir.path(), &client).expect("can be made");
        assert!(!profile.exists(), "a check makes no profile");
        fs::create_dir(&profile).expect("made");
        fs::set_permissions(&profile, fs::Permissions::from_mode(0o755)).expect("opened");
        inspect_profile(dir.path(), &client).expect("good");
        assert_eq!(
            fs::metadata(&profile).expect("meta").permissions().mode() & 0o777,
            0o755,
            "an inspection changes nothing"
        );
        check_profile(dir.path(), &client).expect("good");
        assert_eq!(
            fs::metadata(&profile).expect("meta").permissions().mode() & 0o777,
            0o700
        );
        assert_eq!(
            fs::read_dir(&profile).expect("read").count(),
            0,
            "nothing is left of the check"
        );
    }

    #[test]
    fn sessions_that_start_together_do_not_take_each_others_proof_away() {
        let dir = tempfile::tempdir().expect("tempdir");
        std::thread::scope(|scope| {
            for n in 0..8 {
                let root = dir.path();
                let client: ClientId = format!("s{n}").parse().expect("id");
                scope.spawn(move || {
                    (0..50).for_each(|_| check_profile(root, &client).expect("good"))
                });
            }
        });
    }

    #[test]
    fn each_problem_is_named() {
        let (dir, elsewhere) = (
            tempfile::tempdir().expect("tempdir"),
            tempfile::tempdir().expect("tempdir"),
        );
        let root = dir.path();
        let check = |name: &str| {
            let client = name.parse().expect("id");
            let inspected = inspect_profile(root, &client).expect_err("inspected");
            let checked = check_profile(root, &client);
            assert_eq!(
                checked.as_ref().map_err(ToString::to_string),
                Err(inspected.to_string())
            );
            checked
        };
        private_dir(&auth_dir(root)).expect("made");
        let place = |name: &str| auth_dir(root).join(format!("session-{name}"));

        fs::write(place("file"), b"").expect("written");
        assert!(matches!(
            check("file"),
            Err(ProfileProblem::NotADirectory(_))
        ));
        std::os::unix::fs::symlink(elsewhere.path(), place("out")).expect("linked");
        let error = check("out").expect_err("leads out");
        assert!(
            matches!(&error, ProfileProblem::OutsideRoot { .. })
                && error.to_string().contains("outside of the session path"),
            "{error}"
        );
        std::os::unix::fs::symlink("/nowhere-at-all", place("lost")).expect("linked");
        assert!(matches!(
            check("lost"),
            Err(ProfileProblem::NotADirectory(_))
        ));
        // A folder in which not even root can create a file.
        let error = probe(Path::new("/proc/self"))
            .map_err(|error| full_or(Path::new("/proc/self"), error))
            .expect_err("not writable");
        assert!(matches!(&error, ProfileProblem::ReadOnly { .. }), "{error}");
        assert!(matches!(
            full_or(root, Errno::EDQUOT.into()),
            ProfileProblem::NoSpace { free: 0, .. }
        ));
        assert!(matches!(
            check_profile(&place("file"), &"a".parse().expect("id")),
            Err(ProfileProblem::NotADirectory(_))
        ));
    }
}
