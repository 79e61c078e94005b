//! A profile in the making: a folder beside its place, renamed when it is whole, removed when it is
//! not.

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
    /// A fresh folder for the profile of `client`, which must not be there yet.
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

    /// Writes one file of `size` bytes; returns what was written. `relative` must have been checked
    /// to stay below.
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
        // No more than there is room for.
        io::copy(&mut io::Read::take(content, size), &mut file).map_err(failed("write", path))
    }

    /// Puts the folder in its place, once it is on the disk.
    pub(super) fn finish(self) -> Result<PathBuf, ProfileError> {
        if !may_hold_login(&self.dir) {
            return Err(ProfileError::NoLogin(self.dir.clone()));
        }
        let folder = fs::File::open(&self.dir).map_err(failed("open", &self.dir))?;
        nix::unistd::syncfs(&folder).map_err(|error| failed("flush", &self.dir)(error.into()))?;
        // Refused by the system, too, when somebody has filled the place since.
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
    /// After [`Incoming::finish`] nothing is there any more.
    fn drop(&mut self) {
        self.discard();
    }
}
