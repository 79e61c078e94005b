//! Locks that ensure that only one gateway uses a session path, and only one a database.
//!
//! Two gateways would take over each other's messages, drive two browsers on one login and migrate
//! a database in use. So a start takes both locks before it opens anything. The kernel releases a
//! lock when its process ends in any way, so no lock is ever stale; only the files remain. They
//! contain the process id and the host name, for people.

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use nix::unistd::gethostname;
use tokio::time::{Instant, sleep};

use crate::files;

/// File name of the lock of a session path.
const PATH_LOCK: &str = "gateway.lock";
/// Suffix of the lock file of a database.
const DATABASE_LOCK: &str = ".lock";
/// How long a start waits for a lock: another gateway may be ending, or a command may be checking
/// who holds the lock.
const PATIENCE: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(50);
/// The most bytes that are read from a lock file.
const NAME: u64 = 256;

/// Why the locks were not taken.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// Another gateway holds one of the locks.
    #[error(
        "another gateway uses the {what} {place}: {holder}; stop that one first, or give this one a [sessions] path and a [storage] database of its own"
    )]
    Taken {
        /// `session path` or `database`.
        what: &'static str,
        /// The path that is in use.
        place: PathBuf,
        /// The process that holds the lock, as far as it is known.
        holder: String,
    },
    /// The system refused the lock.
    #[error("the lock {place} cannot be taken: {error}")]
    Io {
        /// The lock's file.
        place: PathBuf,
        /// The system's error.
        error: io::Error,
    },
}

/// The exclusive use of a session path and a database, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Instance {
    _locks: [File; 2],
}

impl Instance {
    /// Takes both locks, or none. The session path must exist; the folder of the database is
    /// created if it is missing.
    pub(super) async fn take(root: &Path, database: &Path) -> Result<Self, InstanceError> {
        let path = lock("session path", root, &root.join(PATH_LOCK)).await?;
        let file = beside(database).map_err(|error| InstanceError::Io {
            place: database.to_owned(),
            error,
        })?;
        Ok(Self {
            _locks: [path, lock("database", database, &file).await?],
        })
    }
}

/// The process that holds the lock of a session path; `None` if no gateway uses it. Does not change
/// the lock file.
pub(super) fn holder(root: &Path) -> Option<String> {
    let file = files::open(&root.join(PATH_LOCK)).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Some(named(file)),
        _ => None,
    }
}

/// The lock file of a database. It is beside the file that a link leads to.
fn beside(database: &Path) -> io::Result<PathBuf> {
    if let Some(parent) = database
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        fs::create_dir_all(parent)?;
    }
    let mut name = database
        .canonicalize()
        .unwrap_or_else(|_| database.to_owned())
        .into_os_string();
    name.push(DATABASE_LOCK);
    Ok(name.into())
}

async fn lock(what: &'static str, place: &Path, file: &Path) -> Result<File, InstanceError> {
    let wrong = |error| InstanceError::Io {
        place: file.to_owned(),
        error,
    };
    let mut held = files::lock(file).map_err(wrong)?;
    let until = Instant::now() + PATIENCE;
    loop {
        match held.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if Instant::now() < until => sleep(PAUSE).await,
            Err(TryLockError::WouldBlock) => {
                return Err(InstanceError::Taken {
                    what,
                    place: place.to_owned(),
                    holder: named(held),
                });
            }
            Err(TryLockError::Error(error)) => return Err(wrong(error)),
        }
    }
    held.set_len(0)
        .and_then(|()| held.rewind())
        .map_err(wrong)?;
    writeln!(held, "process {} on {}", std::process::id(), machine()).map_err(wrong)?;
    Ok(held)
}

fn named(file: File) -> String {
    let mut text = String::new();
    match file.take(NAME).read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        _ => "an unknown process".to_owned(),
    }
}

/// The host name: containers that share a folder have separate process ids.
fn machine() -> String {
    gethostname().map_or_else(
        |_| "this machine".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_path_and_a_database_have_one_gateway_each() {
        let dir = tempfile::tempdir().expect("tempdir");
        let (one, two) = (dir.path().join("one"), dir.path().join("two"));
        fs::create_dir_all(&one).expect("made");
        fs::create_dir_all(&two).expect("made");
        let database = dir.path().join("data/wharf.db");
        assert_eq!(holder(&one), None);
        let first = Instance::take(&one, &database).await.expect("free");
        let me = format!("process {} on ", std::process::id());
        assert!(holder(&one).is_some_and(|name| name.starts_with(&me)));

        let path = Instance::take(&one, &dir.path().join("other.db"))
            .await
            .expect_err("the path is taken")
            .to_string();
        assert!(
            path.contains("session path") && path.contains(&me),
            "{path}"
        );
        let same = Instance::take(&two, &database)
            .await
            .expect_err("the database is taken")
            .to_string();
        assert!(same.contains("database") && same.contains(&me), "{same}");
        assert_eq!(holder(&two), None, "both or none");
        // The same database through a link.
        fs::write(&database, "").expect("there");
        std::os::unix::fs::symlink(&database, dir.path().join("link.db")).expect("linked");
        assert!(
            Instance::take(&two, &dir.path().join("link.db"))
                .await
                .is_err()
        );

        drop(first);
        Instance::take(&two, &database).await.expect("free again");
    }
}
