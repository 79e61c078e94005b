//! Profile directories: their location, their contents, whether they can be used, and what may be
//! removed.
//!
//! Nothing here deletes a login except [`discard`] with [`ProfileFate::Delete`]. A clean-up removes
//! only caches, crash dumps and folders without WhatsApp storage; an orphaned folder that may hold
//! a login is moved to `.quarantine`, from where it can be brought back. Every operation that makes
//! a profile (restoring a backup, adopting a login of another program) makes it in a folder beside
//! its place and renames it when it is complete. All functions here block.

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

/// Why an operation on a profile failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// A browser or another command uses the profile.
    #[error("{0}; stop what uses it first: the session (or the gateway), or the other program")]
    InUse(BrowserError),
    /// The directory or its file system has a problem.
    #[error(transparent)]
    Problem(#[from] ProfileProblem),
    /// There is no such profile.
    #[error("there is no profile {0}; `wharf profile list` shows those that are there")]
    Missing(PathBuf),
    /// The target exists already; nothing is overwritten.
    #[error(
        "{0} is already there and is not overwritten; move it away first (a profile: `wharf profile quarantine <client>`)"
    )]
    Exists(PathBuf),
    /// The folder contains neither Local Storage nor `IndexedDB`.
    #[error(
        "{0} holds no WhatsApp login (neither Default/Local Storage nor Default/IndexedDB is in it)"
    )]
    NoLogin(PathBuf),
    /// There is more than one login below the folder.
    #[error("{dir} holds several logins: {found:?}; name one of them")]
    Several {
        /// The folder that was searched.
        dir: PathBuf,
        /// The logins in it.
        found: Vec<PathBuf>,
    },
    /// The name of the folder contains no client id.
    #[error("the folder name of {0} contains no client id; name one with --client")]
    NoClient(PathBuf),
    /// Nothing with that name is in quarantine.
    #[error("nothing called {0:?} was set aside; `wharf profile list` shows what was")]
    NotQuarantined(String),
    /// An entry is a link, a device, or a path that leaves the profile.
    #[error(
        "{place} contains {entry:?}, which is neither a file nor a folder below it; nothing was done"
    )]
    Unsafe {
        /// The archive or folder.
        place: PathBuf,
        /// The entry.
        entry: PathBuf,
    },
    /// It is larger than any profile.
    #[error(
        "{place} has more than {entries} files or {bytes} bytes, which no profile has; nothing was done"
    )]
    TooLarge {
        /// The archive or folder.
        place: PathBuf,
        /// The limit of files and folders.
        entries: usize,
        /// The limit of bytes.
        bytes: u64,
    },
    /// The file was not made by `backup`.
    #[error("{0} is no backup of a profile: its first entry is not {MANIFEST}", MANIFEST = archive::MANIFEST)]
    NotABackup(PathBuf),
    /// The operating system reported an error.
    #[error("cannot {what} {path}: {error}")]
    Io {
        /// What was attempted.
        what: &'static str,
        /// The path.
        path: PathBuf,
        /// The error.
        error: io::Error,
    },
}

/// Makes an error that names the operation and the path.
fn failed(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> ProfileError {
    let path = path.into();
    move |error| ProfileError::Io { what, path, error }
}

/// Locks the profile of a client, which must exist.
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
