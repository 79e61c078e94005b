//! Detects that the database file was moved or replaced while it is open. SQLite would go on
//! writing to the old file. The next start would not find that data, so no messages are accepted
//! meanwhile.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tracing::{error, info};

use super::error::StoreError;

#[derive(Debug, Clone)]
pub(super) struct Place(Arc<Opened>);

#[derive(Debug)]
struct Opened {
    path: PathBuf,
    /// Device and inode.
    file: (u64, u64),
    moved: AtomicBool,
}

fn file(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|meta| (meta.dev(), meta.ino()))
}

impl Place {
    /// Remembers the identity of the file that was just opened.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        Ok(Self(Arc::new(Opened {
            file: file(&path)?,
            path,
            moved: AtomicBool::new(false),
        })))
    }

    /// Returns what the last [`Place::look`] found.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        if self.0.moved.load(Ordering::Relaxed) {
            Err(StoreError::Moved {
                path: self.0.path.display().to_string(),
            })
        } else {
            Ok(())
        }
    }

    /// Checks the path. A change is logged.
    pub(super) fn look(&self) -> Result<(), StoreError> {
        let moved = match file(&self.0.path) {
            Ok(there) => there != self.0.file,
            // Any other error does not mean that the file is gone.
            Err(error) => matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ),
        };
        if self.0.moved.swap(moved, Ordering::Relaxed) != moved {
            if moved {
                error!(path = %self.0.path.display(), "the database was moved away or replaced while the gateway runs; no messages are accepted until it is back");
            } else {
                info!(path = %self.0.path.display(), "the database is back at its path");
            }
        }
        self.check()
    }
}
