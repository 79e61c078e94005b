//! Exclusive use of a profile: the lock that the guard holds as long as a Chromium of ours may be
//! running, and the symlink by which Chromium itself marks a profile in use.
//!
//! The kernel drops the lock with the process that holds it, so it is never stale; the file only
//! remains. Chromium's link is stale after a crash, and whoever removes the link of a browser that
//! lives starts a second one on the profile: WhatsApp Web then deletes the login. So a browser
//! counts as the profile's user unless it is certain that it is not, and only one that certainly is
//! may be ended.

use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read, Seek, Write},
    os::unix::{
        ffi::OsStrExt,
        fs::{DirBuilderExt, MetadataExt},
    },
    path::Path,
    thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
    unistd::gethostname,
};

use super::{
    BrowserError,
    process::{command_line, end_group, is_hidden},
};
use crate::files;

/// The lock file inside the profile. It contains the pid of the Chromium that was started under the
/// lock.
const LOCK: &str = ".wharf-lock";
const SINGLETON: &str = "SingletonLock";
/// How many bytes of a lock file are read.
const PID: u64 = 32;
/// A guard that is closing its Chromium is waited for so much longer than its grace time.
const CLOSING: Duration = Duration::from_secs(5);
/// An orphan may take so long to close cleanly.
const ORPHAN: Duration = Duration::from_secs(5);

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
    lock: Flock<File>,
}

impl ProfileLock {
    /// Notes the Chromium that runs under this lock.
    pub(super) fn record(&mut self, pid: u32) -> io::Result<()> {
        self.lock.set_len(0)?;
        self.lock.rewind()?;
        writeln!(self.lock, "{pid}")
    }
}

/// Locks an existing profile.
///
/// # Errors
/// [`BrowserError::ProfileInUse`] while a browser or another command uses it,
/// [`BrowserError::Profile`] when the lock cannot be taken for another reason.
pub fn hold_profile(profile: &Path) -> Result<ProfileLock, BrowserError> {
    let held = acquire(profile, Duration::ZERO)?;
    match foreign_user(profile) {
        Some(pid) => Err(in_use(profile, pid)),
        None => Ok(held),
    }
}

/// Takes the right to a profile for a browser that is about to start on it; makes the profile where
/// it is missing. After a crash of the gateway an older guard may still be closing its Chromium,
/// within `close_grace`: it is waited for. An orphan of ours, whose guard is gone, is ended, and
/// what dead browsers have left is removed. Blocking.
///
/// # Errors
/// [`BrowserError::ProfileInUse`] when the guard does not end, and while a browser that somebody
/// else has started uses the profile; that one is left alone. [`BrowserError::Profile`] when the
/// profile cannot be locked or cleared for another reason.
pub(super) fn take(profile: &Path, close_grace: Duration) -> Result<ProfileLock, BrowserError> {
    let mut held = acquire(profile, close_grace + CLOSING)?;
    if let Some(pid) = recorded(&mut *held.lock).filter(|pid| used_by(*pid, profile) == Use::Yes) {
        end_group(pid, ORPHAN);
    }
    if let Some(pid) = foreign_user(profile) {
        return Err(in_use(profile, pid));
    }
    for name in MARKS.into_iter().filter(|name| *name != LOCK) {
        match fs::remove_file(profile.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(BrowserError::Profile {
                    profile: profile.to_owned(),
                    reason: format!("cannot remove the stale {name}: {error}"),
                });
            }
            _ => {}
        }
    }
    Ok(held)
}

/// Takes the lock, for which it waits as long as `patience`.
fn acquire(profile: &Path, patience: Duration) -> Result<ProfileLock, BrowserError> {
    let wrong = |error: io::Error| BrowserError::Profile {
        profile: profile.to_owned(),
        reason: error.to_string(),
    };
    let until = Instant::now() + patience;
    loop {
        let file = open(profile).map_err(wrong)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(ProfileLock { lock }),
            Err((file, Errno::EWOULDBLOCK)) if Instant::now() >= until => {
                return Err(in_use(profile, recorded(file).unwrap_or(0)));
            }
            Err((_, Errno::EWOULDBLOCK)) => thread::sleep(Duration::from_millis(50)),
            Err((_, error)) => return Err(wrong(error.into())),
        }
    }
}

fn in_use(profile: &Path, pid: i32) -> BrowserError {
    BrowserError::ProfileInUse {
        profile: profile.to_owned(),
        pid,
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

/// Opens the lock file, and makes it and the profile where they are missing.
fn open(profile: &Path) -> io::Result<File> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(profile)?;
    files::lock(&profile.join(LOCK))
}

/// The pid in a lock file.
fn recorded(mut file: impl Read + Seek) -> Option<i32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(PID).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// A live browser of this machine that has marked the profile, unless it certainly uses another
/// one: its pid may have been given to it since. A mark of another machine (a container that is
/// gone) says nothing.
fn foreign_user(profile: &Path) -> Option<i32> {
    let (host, pid) = marked(profile)?;
    (is_here(&host) && used_by(pid, profile) != Use::No).then_some(pid)
}

/// Host and pid of Chromium's own mark.
fn marked(profile: &Path) -> Option<(String, i32)> {
    let target = fs::read_link(profile.join(SINGLETON))
        .ok()?
        .to_string_lossy()
        .into_owned();
    let (host, pid) = target.rsplit_once('-')?;
    Some((host.to_owned(), pid.parse().ok()?))
}

/// Whether a mark of that host is of this machine. In a container it may be of one that is gone.
fn is_here(host: &str) -> bool {
    gethostname().is_ok_and(|name| name == host)
}

/// Whether a process is a browser that uses a profile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// It is one: proven.
    Yes,
    /// It may be one; what would decide it cannot be read.
    Unclear,
    /// It is no browser, is gone, or uses another profile.
    No,
}

/// Whether that process is a browser on that profile. The profile may be written in other ways than
/// here (relative to another folder, through a link), so the folders are compared and not their
/// names.
fn used_by(pid: i32, profile: &Path) -> Use {
    let args = command_line(pid);
    let mut answers = args
        .iter()
        .skip(1)
        // What follows is no switch.
        .take_while(|arg| arg.as_slice() != b"--")
        .filter_map(|arg| profile_of(arg))
        .map(|named| named.map_or(Use::Unclear, |named| is_same(pid, named, profile)));
    match answers.next() {
        None if is_hidden(pid) => Use::Unclear,
        None => Use::No,
        // Of several switches one counts, and which one is the browser's business.
        Some(first) if answers.all(|other| other == first) => first,
        Some(_) => Use::Unclear,
    }
}

/// The profile that a switch names; `Some(None)`: it is the switch for that and names none. Chromium
/// takes one dash for two.
fn profile_of(arg: &[u8]) -> Option<Option<&Path>> {
    let dashed = arg.strip_prefix(b"-")?;
    let value = dashed
        .strip_prefix(b"-")
        .unwrap_or(dashed)
        .strip_prefix(b"user-data-dir")?;
    match value {
        [] | [b'='] => Some(None),
        [b'=', path @ ..] => Some(Some(Path::new(OsStr::from_bytes(path)))),
        // A longer name.
        _ => None,
    }
}

/// Whether the folder that a process calls `named` is `profile`.
fn is_same(pid: i32, named: &Path, profile: &Path) -> Use {
    let seen = match named.strip_prefix("/") {
        Ok(below) => Path::new(&format!("/proc/{pid}/root")).join(below),
        Err(_) => Path::new(&format!("/proc/{pid}/cwd")).join(named),
    };
    let identity = |path: &Path| fs::metadata(path).map(|meta| (meta.dev(), meta.ino()));
    match (identity(&seen), identity(profile)) {
        (Ok(theirs), Ok(ours)) if theirs == ours => Use::Yes,
        (Ok(_), Ok(_)) => Use::No,
        _ => Use::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use std::{
        path::PathBuf,
        process::{Child, Command, Stdio},
    };

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

    /// What a browser looks like from outside: `sh` keeps what follows its script on its command
    /// line, as Chromium keeps its switches. It ends with its input.
    fn browser(cwd: &Path, switches: &[&str]) -> Child {
        let mut child = Command::new("sh")
            .args(["-c", "echo; read line"])
            .args(switches)
            .current_dir(cwd)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh");
        // Its command line can be read once it runs.
        child
            .stdout
            .take()
            .expect("piped")
            .read_exact(&mut [0])
            .expect("runs");
        child
    }

    /// Two profiles `a` and `b`, and a link `link` to `a`.
    fn profiles() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().expect("tempdir");
        for name in ["a", "b"] {
            fs::create_dir(dir.path().join(name)).expect("made");
        }
        std::os::unix::fs::symlink("a", dir.path().join("link")).expect("symlink");
        let profile = dir.path().join("a");
        (dir, profile)
    }

    #[test]
    fn a_browser_is_known_by_its_profile_however_that_is_written() {
        let (dir, profile) = profiles();
        let absolute = |name: &str| format!("--user-data-dir={}", dir.path().join(name).display());
        let table: [(&[&str], Use); 13] = [
            (&["--user-data-dir=a"], Use::Yes),
            (&["-user-data-dir=./b/../a/"], Use::Yes),
            (&["--user-data-dir=link"], Use::Yes),
            (&[&absolute("a")], Use::Yes),
            (&[&absolute("link")], Use::Yes),
            (&["--user-data-dir=b"], Use::No),
            (&[&absolute("b")], Use::No),
            (&["--user-data-directory=a"], Use::No),
            (&["--", "--user-data-dir=a"], Use::No),
            (&["a"], Use::No),
            (&["--user-data-dir=elsewhere"], Use::Unclear),
            (&["--user-data-dir"], Use::Unclear),
            (&["--user-data-dir=b", "--user-data-dir=a"], Use::Unclear),
        ];
        for (switches, wanted) in table {
            let mut child = browser(dir.path(), switches);
            assert_eq!(
                used_by(child.id().cast_signed(), &profile),
                wanted,
                "{switches:?}"
            );
            drop(child.stdin.take());
            child.wait().expect("reaped");
            assert_eq!(used_by(child.id().cast_signed(), &profile), Use::No);
        }
    }

    #[test]
    fn a_profile_is_not_taken_from_a_browser_of_somebody_else() {
        let host = gethostname()
            .expect("a host name")
            .into_string()
            .expect("UTF-8");
        for switch in ["a", "link", "elsewhere"] {
            let (dir, profile) = profiles();
            let mut child = browser(dir.path(), &[&format!("--user-data-dir={switch}")]);
            let mark = profile.join(SINGLETON);
            std::os::unix::fs::symlink(format!("{host}-{}", child.id()), &mark).expect("symlink");
            let error = take(&profile, Duration::ZERO).expect_err("in use");
            assert!(
                matches!(error, BrowserError::ProfileInUse { pid, .. } if pid == child.id().cast_signed()),
                "{switch}: {error}"
            );
            assert!(fs::symlink_metadata(&mark).is_ok(), "{switch}: its mark");
            assert!(
                child.try_wait().expect("asked").is_none(),
                "{switch}: it is left alone"
            );
            drop(child.stdin.take());
            child.wait().expect("reaped");
            take(&profile, Duration::ZERO).expect("free");
            assert!(fs::symlink_metadata(&mark).is_err(), "it was stale");
        }
    }

    #[test]
    fn an_orphan_is_ended_when_it_is_proven_to_be_one() {
        let (dir, profile) = profiles();
        let recorded = |switch: &str| {
            let mut child = browser(dir.path(), &[switch]);
            acquire(&profile, Duration::ZERO)
                .expect("free")
                .record(child.id())
                .expect("noted");
            take(&profile, Duration::ZERO).expect("free");
            let ended = child.try_wait().expect("asked").is_some();
            drop(child.stdin.take());
            child.wait().expect("reaped");
            ended
        };
        assert!(recorded("--user-data-dir=link"), "ours");
        assert!(
            !recorded("--user-data-dir=b") && !recorded("--user-data-dir=elsewhere"),
            "its pid was given to another one since"
        );
    }

    #[test]
    fn a_guard_that_is_closing_its_browser_is_waited_for() {
        let (_dir, profile) = profiles();
        let closing = acquire(&profile, Duration::ZERO).expect("free");
        let began = Instant::now();
        thread::scope(|scope| {
            scope.spawn(move || {
                thread::sleep(Duration::from_millis(300));
                drop(closing);
            });
            take(&profile, Duration::ZERO).expect("free in the end");
        });
        assert!(began.elapsed() >= Duration::from_millis(300));
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
        let mut child = browser(dir.path(), &["--user-data-dir=/x"]);
        let pid = child.id().cast_signed();
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
