//! Profile directories: where they lie, what is in them, whether they can be used, and what may be
//! thrown away.
//!
//! A login is never thrown away here. Only caches, crash dumps and folders that hold no WhatsApp
//! storage are removed; an orphan that may hold a login is set aside under `.quarantine`, from
//! where it can be brought back. Whatever makes a profile (a backup that is restored, a login of
//! another program that is adopted) makes it in a folder beside its place and renames it when it is
//! whole. Everything here blocks.

mod adopt;
mod archive;
mod check;
mod clean;
mod facts;
mod incoming;
mod layout;
mod quarantine;
#[cfg(test)]
mod tests;

use std::{io, path::PathBuf};

pub use adopt::{Adopted, adopt};
pub use archive::{Archived, backup, restore};
pub use check::{ProfileProblem, check_profile, inspect_profile, profile_folders};
pub use clean::{Cleanup, ProfileFate, clean, discard};
pub use facts::{ListedProfile, Login, ProfileFacts, facts, list, unadopted};
pub use layout::{inspect_root, prepare_root, profile_dir, shared_dir};
pub use quarantine::{Quarantined, bring_back, quarantined, set_aside};

use crate::{browser::BrowserError, model::ClientId};

/// Why something was not done with a profile.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// A browser or another command uses it.
    #[error("{0}; stop what uses it first: the session (or the gateway), or the other program")]
    InUse(BrowserError),
    /// The directory, or the file system it lies on.
    #[error(transparent)]
    Problem(#[from] ProfileProblem),
    /// No such profile.
    #[error("there is no profile {0}; `wharf profile list` shows those that are there")]
    Missing(PathBuf),
    /// Nothing is overwritten.
    #[error(
        "{0} is already there and is not overwritten; move it away first (a profile: `wharf profile quarantine <client>`)"
    )]
    Exists(PathBuf),
    /// It holds neither Local Storage nor `IndexedDB`.
    #[error(
        "{0} holds no WhatsApp login (neither Default/Local Storage nor Default/IndexedDB is in it)"
    )]
    NoLogin(PathBuf),
    /// More than one login below the folder.
    #[error("{dir} holds several logins: {found:?}; name one of them")]
    Several {
        /// The folder that was named.
        dir: PathBuf,
        /// Those in it.
        found: Vec<PathBuf>,
    },
    /// The folder's name says nothing.
    #[error("the name of {0} says no client id; name one with --client")]
    NoClient(PathBuf),
    /// Nothing of that name was set aside.
    #[error("nothing called {0:?} was set aside; `wharf profile list` shows what was")]
    NotQuarantined(String),
    /// A link, a device, or a path that leaves the profile.
    #[error(
        "{place} contains {entry:?}, which is neither a file nor a folder below it; nothing was done"
    )]
    Unsafe {
        /// Archive or folder.
        place: PathBuf,
        /// The entry.
        entry: PathBuf,
    },
    /// No profile is so large.
    #[error(
        "{place} has more than {entries} files or {bytes} bytes, which no profile has; nothing was done"
    )]
    TooLarge {
        /// Archive or folder.
        place: PathBuf,
        /// The most files and folders.
        entries: usize,
        /// The most bytes.
        bytes: u64,
    },
    /// Not made by `backup`.
    #[error("{0} is no backup of a profile: its first entry is not {MANIFEST}", MANIFEST = archive::MANIFEST)]
    NotABackup(PathBuf),
    /// The system refused.
    #[error("cannot {what} {path}: {error}")]
    Io {
        /// What was attempted.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's words.
        error: io::Error,
    },
}

/// An error of the system with what it was about.
fn failed(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> ProfileError {
    let path = path.into();
    move |error| ProfileError::Io { what, path, error }
}

/// The right to the profile of a client, which must be there.
fn hold(
    root: &std::path::Path,
    client: &ClientId,
) -> Result<(PathBuf, crate::browser::ProfileLock), ProfileError> {
    let dir = profile_dir(root, client);
    if !dir.is_dir() {
        return Err(ProfileError::Missing(dir));
    }
    let lock = crate::browser::hold_profile(&dir).map_err(in_use)?;
    Ok((dir, lock))
}

fn in_use(error: BrowserError) -> ProfileError {
    match error {
        BrowserError::Profile { profile, reason } => ProfileError::Io {
            what: "lock the profile",
            path: profile,
            error: io::Error::other(reason),
        },
        other => ProfileError::InUse(other),
    }
}
