//! Whose a file or folder is, and who else may touch it. What is ours and stands open is closed;
//! what cannot be closed and lets a stranger in is refused; what is merely odd is said.
//!
//! Strangers are the other users of the machine but root, who can do everything anyway. A container
//! often runs as root on a volume of somebody else, or as somebody on a volume that root gave to
//! its group: neither is refused, both are said.

use std::{
    fs, io,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
};

use tracing::warn;

use super::regular::kind;

const ROOT: u32 = 0;
const STICKY: u32 = 0o1000;

/// Why something of ours cannot be used: a stranger could read or replace what is in it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Exposed {
    /// Another user's.
    #[error(
        "the {what} {path} belongs to user {owner}, who can replace what is in it, and the gateway runs as user {user}; give it to the gateway (`chown -R {user} {path}`), or name another place"
    )]
    Foreign {
        /// What it is to us.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Its owner's id.
        owner: u32,
        /// Ours.
        user: u32,
    },
    /// Everybody may write.
    #[error(
        "the {what} {path} has mode {mode:o}, so every user of this machine can replace what is in it, and {why}; close it as its owner (`chmod {right:o} {path}`), or name another place"
    )]
    Open {
        /// What it is to us.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// Its mode.
        mode: u32,
        /// Why it was not closed.
        why: String,
        /// The mode that would be right.
        right: u32,
    },
    /// Not what is expected there.
    #[error("the {what} {path} is {found}, and {expected} is expected there; move it away")]
    Odd {
        /// What it is to us.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What it is.
        found: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// It cannot even be looked at.
    #[error("the {what} {path} cannot be looked at: {error}")]
    Unreadable {
        /// What it is to us.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's words.
        error: io::Error,
    },
}

/// What is asked of a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// A folder in which ours lies: others may look at it, not change it.
    Place,
    /// A folder for us alone.
    Folder,
    /// A file for us alone.
    File,
}

/// What a start does about a file or folder that is not as it should be, and that it uses all the
/// same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remark {
    /// Other users have rights there; they are removed.
    Close,
    /// It is used as it is, with a warning of these words.
    Warn(&'static str),
}

#[derive(Debug, Clone, Copy)]
struct Facts {
    owner: u32,
    mode: u32,
    user: u32,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Good,
    /// The mode to give it.
    Close(u32),
    /// Not as it should be, and no way in.
    Say(&'static str),
    Foreign,
    Open(&'static str),
}

/// The whole rule.
fn judge(wanted: Wanted, facts: Facts) -> Verdict {
    let Facts { owner, mode, user } = facts;
    let taken = if wanted == Wanted::Place {
        0o022
    } else {
        0o077
    };
    // In a sticky folder nobody can replace what is another's.
    let sticky = wanted != Wanted::File && mode & STICKY != 0;
    match mode & taken {
        0 if owner == user || owner == ROOT => Verdict::Good,
        _ if mode & 0o002 != 0 && sticky => match wanted {
            Wanted::Place => Verdict::Say(
                "it is open to every user of this machine; a folder of its own is better",
            ),
            _ => Verdict::Open("it is shared with others (sticky) on purpose"),
        },
        open if owner == user && open != 0 => Verdict::Close(mode & 0o7777 & !taken),
        _ if mode & 0o002 != 0 => Verdict::Open("it is not the gateway's to close"),
        _ if user == ROOT => {
            Verdict::Say("it belongs to another user than the one that runs the gateway")
        }
        _ if owner == ROOT => Verdict::Say(
            "it belongs to root and can be used by a group; whoever is in that group is trusted",
        ),
        _ => Verdict::Foreign,
    }
}

/// A folder in which ours lies, which may have other things in it: others may not write there.
/// Links are followed.
///
/// # Errors
/// When a stranger can change it and that cannot be mended.
pub fn place(what: &'static str, path: &Path) -> Result<(), Exposed> {
    keep(Wanted::Place, what, path)
}

/// A folder for us alone: mode 0700, given to it where it is ours. One that is not there is good.
/// Links are followed.
///
/// # Errors
/// As [`place`].
pub fn private_folder(what: &'static str, path: &Path) -> Result<(), Exposed> {
    keep(Wanted::Folder, what, path)
}

/// A regular file for us alone: mode 0600, given to it where it is ours. One that is not there is
/// good. A link is refused.
///
/// # Errors
/// As [`place`].
pub fn private_file(what: &'static str, path: &Path) -> Result<(), Exposed> {
    keep(Wanted::File, what, path)
}

/// Whether every user of this machine could put something else there.
#[must_use]
pub fn writable_by_all(path: &Path) -> bool {
    fs::metadata(path)
        .is_ok_and(|meta| meta.mode() & 0o002 != 0 && !(meta.is_dir() && meta.mode() & STICKY != 0))
}

/// Checks a file or folder as [`place`], [`private_folder`] or [`private_file`] does, and closes it
/// to other users.
///
/// # Errors
/// As [`place`].
pub fn keep(wanted: Wanted, what: &'static str, path: &Path) -> Result<(), Exposed> {
    match facts(wanted, what, path)? {
        Some(facts) => settle(judge(wanted, facts), facts, what, path),
        None => Ok(()),
    }
}

/// Finds out what [`keep`] would do, without changing anything; `None`: nothing. Whether the file
/// system accepts a new mode is known only once it is set.
///
/// # Errors
/// As [`place`].
pub fn look(wanted: Wanted, what: &'static str, path: &Path) -> Result<Option<Remark>, Exposed> {
    let Some(facts) = facts(wanted, what, path)? else {
        return Ok(None);
    };
    match judge(wanted, facts) {
        Verdict::Good => Ok(None),
        Verdict::Close(_) => Ok(Some(Remark::Close)),
        Verdict::Say(why) => Ok(Some(Remark::Warn(why))),
        Verdict::Foreign => Err(foreign(facts, what, path)),
        Verdict::Open(why) => Err(open(facts, what, path, why.to_owned())),
    }
}

/// Owner and mode; none: nothing is there.
fn facts(wanted: Wanted, what: &'static str, path: &Path) -> Result<Option<Facts>, Exposed> {
    let unreadable = |error| Exposed::Unreadable {
        what,
        path: path.to_owned(),
        error,
    };
    // A mode that is changed by way of a link is another file's.
    let found = if wanted == Wanted::File {
        fs::symlink_metadata(path)
    } else {
        fs::metadata(path)
    };
    let meta = match found {
        // A link to nothing is something all the same, and whoever put it there decides what
        // becomes of it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let Ok(meta) = fs::symlink_metadata(path) else {
                return Ok(None);
            };
            return Err(odd(wanted, what, path, kind(meta.file_type())));
        }
        found => found.map_err(unreadable)?,
    };
    let right = if wanted == Wanted::File {
        meta.is_file()
    } else {
        meta.is_dir()
    };
    if !right {
        return Err(odd(wanted, what, path, kind(meta.file_type())));
    }
    Ok(Some(Facts {
        owner: meta.uid(),
        mode: meta.mode() & 0o7777,
        user: nix::unistd::geteuid().as_raw(),
    }))
}

fn settle(verdict: Verdict, facts: Facts, what: &'static str, path: &Path) -> Result<(), Exposed> {
    let Facts { owner, mode, .. } = facts;
    match verdict {
        Verdict::Good => Ok(()),
        Verdict::Say(why) => {
            warn!(path = %path.display(), owner, mode = format!("{mode:o}"), "the {what}: {why}");
            Ok(())
        }
        Verdict::Foreign => Err(foreign(facts, what, path)),
        Verdict::Open(why) => Err(open(facts, what, path, why.to_owned())),
        Verdict::Close(right) => match close(path, right) {
            Ok(()) => {
                warn!(path = %path.display(), mode = format!("{mode:o}"), now = format!("{right:o}"), "the {what} stood open to other users; it is closed");
                Ok(())
            }
            Err(error) if mode & 0o002 != 0 => {
                let why = format!("that cannot be changed ({error})");
                Err(open(facts, what, path, why))
            }
            Err(error) => {
                warn!(path = %path.display(), mode = format!("{mode:o}"), %error, "the {what} can be read by other users, and that cannot be changed");
                Ok(())
            }
        },
    }
}

fn foreign(Facts { owner, user, .. }: Facts, what: &'static str, path: &Path) -> Exposed {
    Exposed::Foreign {
        what,
        path: path.to_owned(),
        owner,
        user,
    }
}

fn open(Facts { mode, .. }: Facts, what: &'static str, path: &Path, why: String) -> Exposed {
    Exposed::Open {
        what,
        path: path.to_owned(),
        mode,
        why,
        right: mode & 0o7700 & !STICKY,
    }
}

/// Some file systems take a new mode and keep the old one.
fn close(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    let now = fs::metadata(path)?.mode() & 0o777;
    if now & !mode == 0 {
        Ok(())
    } else {
        Err(io::Error::other(format!(
            "its file system keeps mode {now:o}"
        )))
    }
}

fn odd(wanted: Wanted, what: &'static str, path: &Path, found: &'static str) -> Exposed {
    let expected = if wanted == Wanted::File {
        "a regular file"
    } else {
        "a folder"
    };
    Exposed::Odd {
        what,
        path: path.to_owned(),
        found,
        expected,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_is_ours_is_closed_and_what_lets_a_stranger_in_is_refused() {
        const ME: u32 = 1000;
        const OTHER: u32 = 1001;
        let open = |verdict| matches!(verdict, Verdict::Open(_));
        let said = |verdict| matches!(verdict, Verdict::Say(_));
        let of = |wanted, owner, mode, user| judge(wanted, Facts { owner, mode, user });
        for user in [ME, ROOT] {
            // Ours.
            assert_eq!(of(Wanted::Place, user, 0o755, user), Verdict::Good);
            assert_eq!(
                of(Wanted::Place, user, 0o2777, user),
                Verdict::Close(0o2755)
            );
            assert_eq!(of(Wanted::Folder, user, 0o755, user), Verdict::Close(0o700));
            assert_eq!(of(Wanted::File, user, 0o666, user), Verdict::Close(0o600));
            assert_eq!(of(Wanted::File, user, 0o600, user), Verdict::Good);
            // `/tmp`: never closed, whoever runs it.
            assert!(said(of(Wanted::Place, ROOT, 0o1777, user)));
            assert!(open(of(Wanted::Folder, ROOT, 0o1777, user)));
            // A stranger's, and open to all.
            for wanted in [Wanted::Place, Wanted::Folder, Wanted::File] {
                assert!(open(of(wanted, OTHER, 0o777, user)), "{wanted:?}");
            }
            assert!(
                open(of(Wanted::File, OTHER, 0o1666, user)),
                "sticky says nothing on a file"
            );
        }
        // A container: root on a volume of somebody; somebody on a volume that root gave to its
        // group.
        assert!(
            said(of(Wanted::Place, OTHER, 0o755, ROOT))
                && said(of(Wanted::File, OTHER, 0o600, ROOT))
        );
        assert!(
            said(of(Wanted::Place, ROOT, 0o2775, ME)) && said(of(Wanted::Folder, ROOT, 0o2770, ME))
        );
        assert!(open(of(Wanted::Place, ROOT, 0o777, ME)));
        // Another user's, who can replace it, whatever its mode.
        for mode in [0o700, 0o755, 0o770] {
            assert_eq!(of(Wanted::Place, OTHER, mode, ME), Verdict::Foreign);
            assert_eq!(of(Wanted::File, OTHER, mode, ME), Verdict::Foreign);
        }
    }

    #[test]
    fn an_open_folder_is_closed_and_a_link_to_nothing_is_named() {
        let dir = tempfile::tempdir().expect("tempdir");
        let folder = dir.path().join("folder");
        private_folder("cache", &folder).expect("nothing is there");
        fs::create_dir(&folder).expect("made");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).expect("opened");
        assert!(writable_by_all(&folder));
        let seen = look(Wanted::Place, "session path", &folder).expect("can be mended");
        assert_eq!(seen, Some(Remark::Close));
        assert_eq!(
            fs::metadata(&folder).expect("there").mode() & 0o777,
            0o777,
            "a look changes nothing"
        );
        place("session path", &folder).expect("mended");
        assert_eq!(fs::metadata(&folder).expect("there").mode() & 0o777, 0o755);
        let seen = look(Wanted::Place, "session path", &folder).expect("good");
        assert_eq!(seen, None);
        private_folder("cache", &folder).expect("mended");
        assert_eq!(fs::metadata(&folder).expect("there").mode() & 0o777, 0o700);
        let error = private_file("database", &folder)
            .expect_err("a folder")
            .to_string();
        assert!(
            error.contains("the database")
                && error.contains("is a folder, and a regular file is expected"),
            "{error}"
        );
        symlink("/nowhere-at-all", dir.path().join("link")).expect("linked");
        let error = private_file("database", &dir.path().join("link"))
            .expect_err("a link")
            .to_string();
        assert!(error.contains("a symbolic link"), "{error}");
    }

    #[test]
    fn the_words_name_the_path_and_the_command() {
        let facts = Facts {
            owner: 1001,
            mode: 0o777,
            user: 1000,
        };
        let words = |verdict| {
            settle(verdict, facts, "session path", Path::new("/data"))
                .expect_err("refused")
                .to_string()
        };
        let open = words(Verdict::Open("it is not the gateway's to close"));
        assert!(
            open.contains("session path /data has mode 777") && open.contains("`chmod 700 /data`"),
            "{open}"
        );
        let foreign = words(Verdict::Foreign);
        assert!(
            foreign.contains("belongs to user 1001") && foreign.contains("`chown -R 1000 /data`"),
            "{foreign}"
        );
    }
}
