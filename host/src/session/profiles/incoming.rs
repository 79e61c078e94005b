//! A profile that is being made: a folder beside its place, which is renamed when it is complete
//! and removed when it is not.

use std::{
    fs, io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use super::{
    ProfileError,
    check::space,
    failed,
    layout::{INCOMING, auth_dir, may_hold_login, prepare_root, private_dir, profile_dir},
};
use crate::model::ClientId;

fn check_free(target: &Path) -> Result<(), ProfileError> {
    if fs::symlink_metadata(target).is_ok() {
        Err(ProfileError::Exists(target.to_owned()))
    } else {
        Ok(())
    }
}

#[derive(Debug)]
pub(super) struct Incoming {
    dir: PathBuf,
    target: PathBuf,
}

impl Incoming {
    /// Creates an empty folder for the profile of `client`, which must not exist yet.
    pub(super) fn new(root: &Path, client: &ClientId) -> Result<Self, ProfileError> {
        prepare_root(root).map_err(failed("use the session path", root))?;
        let target = profile_dir(root, client);
        check_free(&target)?;
        let auth = auth_dir(root);
        let (prefix, private) = (
            format!("{INCOMING}{client}-"),
            fs::Permissions::from_mode(0o700),
        );
        let made = tempfile::Builder::new()
            .prefix(&prefix)
            .permissions(private)
            .tempdir_in(&auth);
        let dir = made.map_err(failed("make a folder in", &auth))?.keep();
        Ok(Self { dir, target })
    }

    pub(super) fn folder(&self, relative: &Path) -> Result<(), ProfileError> {
        let path = self.dir.join(relative);
        private_dir(&path).map_err(failed("make", path))
    }

    /// Writes one file of at most `size` bytes; returns the number of bytes written. The caller
    /// must have checked that `relative` stays below the folder.
    pub(super) fn file(
        &self,
        relative: &Path,
        size: u64,
        content: &mut impl io::Read,
    ) -> Result<u64, ProfileError> {
        space(&self.dir, size)?;
        if let Some(parent) = relative.parent() {
            self.folder(parent)?;
        }
        let path = self.dir.join(relative);
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed("make", &path))?;
        // Never writes more than the space that was checked.
        io::copy(&mut io::Read::take(content, size), &mut file).map_err(failed("write", path))
    }

    /// Flushes the folder to disk and moves it to its place.
    pub(super) fn finish(self) -> Result<PathBuf, ProfileError> {
        if !may_hold_login(&self.dir) {
            return Err(ProfileError::NoLogin(self.dir.clone()));
        }
        let folder = fs::File::open(&self.dir).map_err(failed("open", &self.dir))?;
        nix::unistd::syncfs(&folder).map_err(|error| failed("flush", &self.dir)(error.into()))?;
        // The rename below also fails if the place is taken after this check.
        check_free(&self.target)?;
        fs::rename(&self.dir, &self.target).map_err(failed("put in place", &self.target))?;
        let parent = self.target.parent().unwrap_or(&self.target);
        fs::File::open(parent)
            .and_then(|parent| parent.sync_all())
            .map_err(failed("flush", parent))?;
        Ok(self.target.clone())
    }

    fn discard(&self) {
        if let Err(error) = fs::remove_dir_all(&self.dir)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.dir.display(), %error, "an unfinished profile cannot be removed");
        }
    }
}

impl Drop for Incoming {
    /// Removes the folder; after [`Incoming::finish`] it no longer exists.
    fn drop(&mut self) {
        self.discard();
    }
}
