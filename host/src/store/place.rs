//! Whether the database is still the file that was opened. One that was moved away or deleted goes on being written, and is
//! gone when the process ends: whatever was accepted meanwhile would be lost.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::timeout;
use tracing::{error, info};

use super::{Store, StoreError};
use crate::model::Timestamp;

/// A writer that is well has written one row by then.
const PROBE: Duration = Duration::from_secs(2);

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
        Ok(Self(Arc::new(Opened { file: file(&path)?, path, moved: AtomicBool::new(false) })))
    }

    /// As the last look found it.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        if self.0.moved.load(Ordering::Relaxed) { Err(StoreError::Moved { path: self.0.path.display().to_string() }) } else { Ok(()) }
    }

    /// Looks at the place; a change is logged.
    pub(super) fn look(&self) -> Result<(), StoreError> {
        let moved = match file(&self.0.path) {
            Ok(there) => there != self.0.file,
            // Any other error says nothing of the file: SQLite has it open.
            Err(error) => matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory),
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

impl Store {
    /// Whether the database takes writes, and is where the next start looks for it.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when the writer has not written one row within two seconds, [`StoreError::Full`],
    /// [`StoreError::Moved`]; whatever else the database says.
    pub async fn check(&self) -> Result<(), StoreError> {
        self.look_at_place()?;
        let sql = "INSERT INTO probe (id, at) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET at = ?1";
        let written = timeout(PROBE, self.writer.statement(sqlx::query(sql).bind(Timestamp::now().0))).await;
        written.unwrap_or(Err(StoreError::Busy)).map(drop)
    }

    /// Whether the database is where the next start looks for it. A change is logged, and refuses or allows sends.
    ///
    /// # Errors
    /// [`StoreError::Moved`].
    pub fn look_at_place(&self) -> Result<(), StoreError> {
        self.place.look()
    }

    /// Resolves when nothing can be written any more, for good.
    pub async fn ended(&self) {
        self.writer.ended().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::scratch;

    #[tokio::test]
    async fn a_database_that_is_moved_away_or_replaced_is_noticed_until_it_is_back() {
        let (dir, store) = scratch().await;
        let (path, away) = (dir.path().join("wharf.db"), dir.path().join("away.db"));
        assert_eq!(store.check().await, Ok(()));
        fs::rename(&path, &away).expect("moved");
        let moved = Err(StoreError::Moved { path: path.display().to_string() });
        assert_eq!(store.check().await, moved, "gone");
        fs::copy(&away, &path).expect("a copy");
        assert_eq!(store.check().await, moved, "replaced");
        fs::rename(&away, &path).expect("moved back");
        assert_eq!(store.check().await, Ok(()));
    }

    #[tokio::test]
    async fn whoever_cannot_go_on_without_the_writer_hears_of_its_end() {
        let (_dir, store) = scratch().await;
        let mut ended = Box::pin(store.ended());
        assert!(futures_util::poll!(&mut ended).is_pending());
        store.close().await;
        ended.await;
    }

    #[tokio::test]
    async fn a_held_write_lock_is_told_within_two_seconds() {
        use sqlx::{ConnectOptions, sqlite::SqliteConnectOptions};

        let (dir, store) = scratch().await;
        let mut other = SqliteConnectOptions::new().filename(dir.path().join("wharf.db")).connect().await.expect("a connection");
        sqlx::query("BEGIN IMMEDIATE").execute(&mut other).await.expect("the lock");
        assert_eq!(store.check().await, Err(StoreError::Busy));
        sqlx::query("ROLLBACK").execute(&mut other).await.expect("given back");
        assert_eq!(store.check().await, Ok(()));
    }
}
