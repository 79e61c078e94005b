//! Adoption: copies a login of whatsapp-web.js' `LocalAuth` into a profile, without a new scan.
//!
//! The login is copied and not moved, so the old program can go back to it as long as it is not
//! used here. If it is used in both places, WhatsApp lets the newer one win.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    ProfileError,
    archive::walk,
    check::space,
    facts::measure,
    failed,
    incoming::Incoming,
    layout::{auth_dir, client_of, may_hold_login},
};
use crate::{
    browser::{self, BrowserError},
    files,
    model::ClientId,
};

/// The result of an adoption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// The client that has the login now.
    pub client: ClientId,
    /// The login that was copied.
    pub source: PathBuf,
    /// The new profile.
    pub path: PathBuf,
    /// The number of files copied.
    pub files: u64,
}

/// Copies a login into the place of `client`'s profile. `dir` is the folder of the login
/// (`session-<id>`, or `session` if it was made without an id), or a folder that contains exactly
/// one: `.wwebjs_auth` or its parent.
///
/// Without `client`, the id is taken from the name of the folder, and is `default` if the name has
/// none.
///
/// # Errors
/// When no login or more than one is found, when a browser still uses it, and when the profile
/// exists already; nothing is left behind then.
pub fn adopt(
    root: &Path,
    dir: &Path,
    client: Option<&ClientId>,
    default: &ClientId,
) -> Result<Adopted, ProfileError> {
    // The absolute path without links, which is how the other program's browser has it on its
    // command line.
    let dir = fs::canonicalize(dir).map_err(failed("open", dir))?;
    let source = login(&dir)?;
    let client = match client {
        Some(client) => client.clone(),
        None => name(&source, default)?,
    };
    if let Some(pid) = browser::profile_user(&source) {
        return Err(ProfileError::InUse(BrowserError::ProfileInUse {
            profile: source,
            pid,
        }));
    }
    let incoming = Incoming::new(root, &client)?;
    space(&auth_dir(root), measure(&source).bytes)?;
    let mut copied = 0;
    walk(&source, &mut |relative, path, is_dir| {
        if is_dir {
            return incoming.folder(relative);
        }
        let mut content = files::open(path).map_err(failed("read", path))?;
        // A hole is written as zeros, so the apparent size counts.
        let size = content.metadata().map_err(failed("read", path))?.len();
        copied += 1;
        incoming.file(relative, size, &mut content).map(drop)
    })?;
    // A browser may have been started on the source meanwhile; a copy of files that change is not
    // usable.
    if let Some(pid) = browser::profile_user(&source) {
        return Err(ProfileError::InUse(BrowserError::ProfileInUse {
            profile: source,
            pid,
        }));
    }
    let path = incoming.finish()?;
    Ok(Adopted {
        client,
        source,
        path,
        files: copied,
    })
}

/// The only login at or below a folder.
fn login(dir: &Path) -> Result<PathBuf, ProfileError> {
    if may_hold_login(dir) {
        return Ok(dir.to_owned());
    }
    let below = |place: PathBuf| {
        fs::read_dir(place)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
    };
    let mut found: Vec<PathBuf> = below(dir.to_owned())
        .chain(below(auth_dir(dir)))
        .filter(|path| may_hold_login(path))
        .collect();
    found.sort();
    match found.len() {
        0 => Err(ProfileError::NoLogin(dir.to_owned())),
        1 => Ok(found.remove(0)),
        _ => Err(ProfileError::Several {
            dir: dir.to_owned(),
            found,
        }),
    }
}

fn name(source: &Path, default: &ClientId) -> Result<ClientId, ProfileError> {
    let name = source.file_name().unwrap_or_default().to_string_lossy();
    match name.as_ref() {
        "session" => Ok(default.clone()),
        other => client_of(other).ok_or_else(|| ProfileError::NoClient(source.to_owned())),
    }
}
