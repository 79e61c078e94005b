//! A file in the making: beside its place, for its owner alone, under a random name that nobody can
//! have taken before (`O_EXCL`, so no link is followed either). It is removed unless it is put in
//! place.

use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

use tempfile::NamedTempFile;

/// A file in the making.
#[derive(Debug)]
pub struct Fresh {
    draft: NamedTempFile,
    target: PathBuf,
}

fn folder(target: &Path) -> &Path {
    target
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

impl Fresh {
    /// An empty file beside `target`, with mode 0600.
    ///
    /// # Errors
    /// When the folder of `target` is not there or cannot be written.
    pub fn beside(target: &Path) -> io::Result<Self> {
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let draft = tempfile::Builder::new()
            .prefix(&format!(".{name}."))
            .suffix(".part")
            .rand_bytes(12)
            .tempfile_in(folder(target))?;
        Ok(Self {
            draft,
            target: target.to_owned(),
        })
    }

    /// The file, to write into.
    #[must_use]
    pub fn file(&self) -> &File {
        self.draft.as_file()
    }

    /// Its name until it is put in place.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.draft.path()
    }

    /// Flushes it and puts it in the place of whatever is there. A link there is replaced, not
    /// followed.
    ///
    /// # Errors
    /// When the disk or the folder refuses; nothing is left then.
    pub fn replace(self) -> io::Result<()> {
        self.draft.as_file().sync_all()?;
        self.draft
            .persist(&self.target)
            .map_err(|error| error.error)?;
        File::open(folder(&self.target))?.sync_all()
    }

    /// Flushes it and puts it in its place, where nothing may be, not even a link.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] when something is there; whatever else the system says.
    /// Nothing is left then.
    pub fn place(self) -> io::Result<()> {
        self.draft.as_file().sync_all()?;
        self.draft
            .persist_noclobber(&self.target)
            .map_err(|error| error.error)?;
        File::open(folder(&self.target))?.sync_all()
    }
}

/// Writes a file anew, whole or not at all, with mode 0600.
///
/// # Errors
/// When it cannot be written; what was there before is still there then.
pub fn write(target: &Path, content: &[u8]) -> io::Result<()> {
    let fresh = Fresh::beside(target)?;
    fresh.file().write_all(content)?;
    fresh.replace()
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{PermissionsExt, symlink},
    };

    use super::*;

    #[test]
    fn a_link_at_the_place_is_replaced_and_what_it_leads_to_is_left_alone() {
        let dir = tempfile::tempdir().expect("tempdir");
        let (foreign, target) = (dir.path().join("foreign"), dir.path().join("ours"));
        fs::write(&foreign, "theirs").expect("written");
        symlink(&foreign, &target).expect("linked");
        write(&target, b"new").expect("written");
        assert_eq!(
            (
                fs::read(&foreign).expect("read"),
                fs::read(&target).expect("read")
            ),
            (b"theirs".to_vec(), b"new".to_vec())
        );
        let meta = fs::symlink_metadata(&target).expect("there");
        assert!(
            meta.is_file() && meta.permissions().mode() & 0o777 == 0o600,
            "{meta:?}"
        );
        assert_eq!(
            fs::read_dir(dir.path()).expect("read").count(),
            2,
            "no draft is left"
        );
    }

    #[test]
    fn what_must_be_new_overwrites_nothing_and_a_draft_that_is_given_up_is_gone() {
        let dir = tempfile::tempdir().expect("tempdir");
        let target = dir.path().join("ours");
        symlink("/nowhere-at-all", &target).expect("linked");
        let fresh = Fresh::beside(&target).expect("made");
        assert_eq!(
            fs::metadata(fresh.path())
                .expect("there")
                .permissions()
                .mode()
                & 0o777,
            0o600
        );
        let other = Fresh::beside(&target).expect("a second at the same time");
        assert_ne!(fresh.path(), other.path());
        assert_eq!(
            fresh.place().expect_err("a link is there").kind(),
            io::ErrorKind::AlreadyExists
        );
        drop(other);
        assert_eq!(fs::read_dir(dir.path()).expect("read").count(), 1);
    }
}
