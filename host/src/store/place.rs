//! Whether the database is still the file that was opened. One that was moved away or deleted goes
//! on being written, and is gone when the process ends: whatever was accepted meanwhile would be
//! lost.

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
    /// Of a file that was just opened.
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        Ok(Self(Arc::new(Opened {
            file: file(&path)?,
            path,
            moved: AtomicBool::new(false),
        })))
    }

    /// As the last look found it.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        if self.0.moved.load(Ordering::Relaxed) {
            Err(StoreError::Moved {
                path: self.0.path.display().to_string(),
            })
        } else {
            Ok(())
        }
    }

    /// Looks at the place; a change is logged.
    pub(super) fn look(&self) -> Result<(), StoreError> {
        let moved = match file(&self.0.path) {
            Ok(there) => there != self.0.file,
            // Any other error says nothing of the file: SQLite has it open.
            Err(error) => matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ),
        };
        if self.0.moved.swap(moved, Ordering::Relaxed) != moved {
            if moved {
                error!(path = %self.0.path.display(), "the database was moved away or replaced while the gateway runs; no sends are accepted until it is back");
            } else {
                info!(path = %self.0.path.display(), "the database is at its place again");
            }
        }
        self.check()
    }
}
