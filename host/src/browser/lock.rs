//! Exclusive use of a profile: the lock that the guard holds as long as a Chromium of ours may be
//! running, and the symlink by which Chromium itself marks a profile in use.
//!
//! The kernel releases the lock when the process that holds it ends, so the lock is never stale;
//! only the file remains.

use std::{
    fs::{self, File},
    io::{self, Read, Seek},
    os::unix::fs::DirBuilderExt,
    path::Path,
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
    unistd::gethostname,
};

use super::{BrowserError, process::command_line};
use crate::files;

/// The lock file inside the profile. It contains the pid of the Chromium that was started under the
/// lock.
const LOCK: &str = ".wharf-lock";
const SINGLETON: &str = "SingletonLock";
/// How many bytes of a lock file are read.
const PID: u64 = 32;

/// Files that mark a profile in use; they mean nothing in a copy of it.
pub const MARKS: [&str; 5] = [
    LOCK,
    SINGLETON,
    "SingletonCookie",
    "SingletonSocket",
    "DevToolsActivePort",
];

/// The exclusive right to work in a profile while no browser of ours runs on it; released when
/// dropped.
#[derive(Debug)]
pub struct ProfileLock {
    _lock: Flock<File>,
}

/// Locks an existing profile.
///
/// # Errors
/// [`BrowserError::ProfileInUse`] while a browser or another command uses it,
/// [`BrowserError::Profile`] when the lock cannot be taken for another reason.
pub fn hold_profile(profile: &Path) -> Result<ProfileLock, BrowserError> {
    let in_use = |pid| BrowserError::ProfileInUse {
        profile: profile.to_owned(),
        pid,
    };
    let wrong = |error: io::Error| BrowserError::Profile {
        profile: profile.to_owned(),
        reason: error.to_string(),
    };
    let lock = match Flock::lock(
        open(profile).map_err(wrong)?,
        FlockArg::LockExclusiveNonblock,
    ) {
        Ok(lock) => lock,
        Err((file, Errno::EWOULDBLOCK)) => return Err(in_use(recorded(file).unwrap_or(0))),
        Err((_, error)) => return Err(wrong(error.into())),
    };
    match foreign_user(profile) {
        Some(pid) => Err(in_use(pid)),
        None => Ok(ProfileLock { _lock: lock }),
    }
}

/// The process that uses a profile now, as far as can be determined without writing into it; 0 if
/// its pid is not known.
#[must_use]
pub fn profile_user(profile: &Path) -> Option<i32> {
    let ours = match files::open(&profile.join(LOCK)) {
        Ok(file) => match Flock::lock(file, FlockArg::LockSharedNonblock) {
            Err((file, Errno::EWOULDBLOCK)) => Some(recorded(file).unwrap_or(0)),
            _ => None,
        },
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            None
        }
        // A lock that cannot be opened, for example one of another user, may be held.
        Err(_) => Some(0),
    };
    ours.or_else(|| foreign_user(profile))
}

/// Whether a browser of ours, or a command, has ever worked in this profile.
#[must_use]
pub fn was_held(profile: &Path) -> bool {
    profile.join(LOCK).exists()
}

/// Opens the lock file; creates the file and the profile if they are missing.
pub(super) fn open(profile: &Path) -> io::Result<File> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(profile)?;
    files::lock(&profile.join(LOCK))
}

/// The pid in a lock file.
pub(super) fn recorded(mut file: impl Read + Seek) -> Option<i32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(PID).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// The running browser of this machine that has marked the profile. A mark from another machine
/// (such as a removed container) means nothing.
fn foreign_user(profile: &Path) -> Option<i32> {
    let (host, pid) = marked(profile)?;
    (is_here(&host) && is_browser(pid)).then_some(pid)
}

/// Host and pid of Chromium's own mark.
pub(super) fn marked(profile: &Path) -> Option<(String, i32)> {
    let target = fs::read_link(profile.join(SINGLETON))
        .ok()?
        .to_string_lossy()
        .into_owned();
    let (host, pid) = target.rsplit_once('-')?;
    Some((host.to_owned(), pid.parse().ok()?))
}

/// Whether a mark with that host name is from this machine. In a container it may be from one that
/// is gone.
pub(super) fn is_here(host: &str) -> bool {
    gethostname().is_ok_and(|name| name == host)
}

/// Whether that process is a browser. The command line may name the profile in another way
/// (relative, or through a link), so a browser on any profile counts.
fn is_browser(pid: i32) -> bool {
    command_line(pid)
        .iter()
        .any(|arg| arg.starts_with(b"--user-data-dir"))
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    #[test]
    fn a_profile_is_held_by_one_at_a_time() {
        let dir = tempfile::tempdir().expect("tempdir");
        assert_eq!(profile_user(dir.path()), None);
        assert!(!dir.path().join(LOCK).exists(), "looking leaves no trace");
        let held = hold_profile(dir.path()).expect("free");
        assert_eq!(profile_user(dir.path()), Some(0));
        assert!(matches!(
            hold_profile(dir.path()),
            Err(BrowserError::ProfileInUse { .. })
        ));
        drop(held);
        assert_eq!(profile_user(dir.path()), None);
        // A lock that cannot be opened, here because it is a link to itself: its holder is unknown.
        let odd = tempfile::tempdir().expect("tempdir");
        std::os::unix::fs::symlink(LOCK, odd.path().join(LOCK)).expect("a link");
        assert_eq!(profile_user(odd.path()), Some(0));
        hold_profile(dir.path()).expect("free again");
    }

    #[test]
    fn a_mark_counts_while_its_browser_lives() {
        let dir = tempfile::tempdir().expect("tempdir");
        let host = gethostname()
            .expect("a host name")
            .into_string()
            .expect("UTF-8");
        let mark = |text: &str| {
            let _ = fs::remove_file(dir.path().join(SINGLETON));
            std::os::unix::fs::symlink(text, dir.path().join(SINGLETON)).expect("symlink");
            profile_user(dir.path())
        };
        assert_eq!(
            mark(&format!("{}-{}", host, std::process::id())),
            None,
            "alive, and no browser"
        );
        // `sh` keeps the arguments behind its script on its command line, as Chromium keeps its
        // switches.
        let mut shell = std::process::Command::new("sh");
        shell
            .args(["-c", "echo; read line", "--user-data-dir=/x"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut child = shell.spawn().expect("sh");
        // Its command line can be read once it runs.
        child
            .stdout
            .take()
            .expect("piped")
            .read_exact(&mut [0])
            .expect("runs");
        let pid = i32::try_from(child.id()).expect("a pid");
        assert_eq!(mark(&format!("{}-{pid}", host)), Some(pid));
        assert_eq!(
            mark(&format!("elsewhere-{pid}")),
            None,
            "a container that is gone"
        );
        drop(child.stdin.take());
        child.wait().expect("reaped");
        assert_eq!(mark(&format!("{}-{pid}", host)), None, "it has ended");
    }
}
