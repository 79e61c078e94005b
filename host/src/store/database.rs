//! [`Store`], the handle to the database: opens and migrates the file, and owns the writer, the
//! readers and the caches.

use std::{fs, path::Path, sync::Arc, time::Duration};

use sqlx::{
    ConnectOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tokio::time::timeout;
use tracing::warn;

use super::{
    addresses::{self, Addresses},
    aliases::Aliases,
    copies,
    error::StoreError,
    file, outbox,
    place::Place,
    readers::Readers,
    recent::Recent,
    unreadable::UnreadableRows,
    writer::Writer,
};
use crate::files;

/// The database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pub(super) path: Arc<Path>,
    pub(super) writer: Writer,
    pub(super) readers: Readers,
    pub(super) addresses: Addresses,
    pub(super) aliases: Aliases,
    pub(super) recent: Recent,
    pub(super) unreadable: UnreadableRows,
    pub(super) place: Place,
}

impl Store {
    /// Opens the database file and migrates its tables. A missing file is created with mode 0600;
    /// an existing one is copied beside itself before it is migrated.
    ///
    /// # Errors
    /// [`StoreError::TooNew`] if the file was written by a newer gateway; otherwise if the file
    /// cannot be used.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_patient(path, file::BUSY_TIMEOUT).await
    }

    /// As [`Store::open`]. `patience` is how long to wait for a lock that another program holds.
    pub(crate) async fn open_patient(path: &Path, patience: Duration) -> Result<Self, StoreError> {
        let name = path.display().to_string();
        let wrong = |reason: String| StoreError::Open {
            path: name.clone(),
            reason,
        };
        if let Some(parent) = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
        {
            fs::create_dir_all(parent).map_err(|error| wrong(error.to_string()))?;
        }
        files::made(path).map_err(|error| wrong(error.to_string()))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(patience);
        // Overwrites deleted content, both in pages that are written anyway and in pages that
        // become empty.
        let writing = options
            .clone()
            .pragma("secure_delete", "ON")
            .pragma("journal_size_limit", file::LOG_LIMIT);
        if fs::metadata(path).is_ok_and(|file| file.len() == 0) {
            file::found(&writing)
                .await
                .map_err(|error| wrong(error.to_string()))?;
        }
        let mut connection = writing
            .connect()
            .await
            .map_err(|error| wrong(error.to_string()))?;
        let steps = sqlx::migrate!("src/store/migrations");
        copies::keep(&mut connection, &steps, path).await?;
        steps
            .run(&mut connection)
            .await
            .map_err(|error| match error {
                sqlx::migrate::MigrateError::VersionMissing(_) => {
                    StoreError::TooNew { path: name.clone() }
                }
                other => wrong(other.to_string()),
            })?;
        file::convert(&mut connection, path)
            .await
            .map_err(|error| wrong(error.to_string()))?;
        addresses::drop_broken(&mut connection)
            .await
            .map_err(|error| wrong(error.to_string()))?;
        outbox::look_again(&mut connection)
            .await
            .map_err(|error| wrong(error.to_string()))?;
        let readers = Readers::open(&options)
            .await
            .map_err(|error| wrong(error.to_string()))?;
        let unreadable = UnreadableRows::default();
        let addresses = Addresses::load(&readers, &unreadable).await?;
        let aliases = Aliases::load(&readers).await?;
        let place = Place::of(path).map_err(|error| wrong(error.to_string()))?;
        let writer = Writer::start(writing, connection, place.clone())
            .map_err(|error| wrong(error.to_string()))?;
        Ok(Self {
            path: path.into(),
            writer,
            readers,
            addresses,
            aliases,
            recent: Recent::default(),
            unreadable,
            place,
        })
    }

    /// As [`Store::close`], but waits no longer than `limit`: a disk that hangs would otherwise keep
    /// the process until it is killed. What was not written by then is lost with the process; what
    /// was committed is not.
    pub async fn close_within(&self, limit: Duration) {
        if timeout(limit, self.close()).await.is_err() {
            warn!(?limit, path = %self.path.display(), "the database did not close in time, as if its disk hung; what was still to be written is lost");
        }
    }

    /// Commits the queued writes and closes the file.
    pub async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
    }
}

#[cfg(test)]
impl Store {
    /// Changes rows as another version of the gateway or a failing disk might have done.
    pub(crate) async fn spoil(&self, sql: &'static str) {
        assert!(
            self.writer
                .statement(sqlx::query(sql))
                .await
                .expect("spoilt")
                > 0,
            "{sql}"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn a_database_of_a_newer_gateway_is_refused_in_words() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("wharf.db");
        let store = Store::open(&path).await.expect("store");
        assert_eq!(
            fs::metadata(&path).expect("metadata").permissions().mode() & 0o777,
            0o600
        );
        sqlx::query("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'x', 1, x'00', 0)")
            .execute(&mut *store.readers.get().await.expect("reader"))
            .await
            .expect("inserted");
        store.close().await;
        assert!(matches!(
            Store::open(&path).await,
            Err(StoreError::TooNew { .. })
        ));
    }

    #[tokio::test]
    async fn a_close_does_not_wait_for_a_write_that_never_ends() {
        let dir = tempfile::tempdir().expect("tempdir");
        let store = Store::open(&dir.path().join("wharf.db"))
            .await
            .expect("store");
        let (writer, (begun, is_begun)) = (store.writer.clone(), oneshot::channel());
        let hangs = tokio::spawn(async move {
            let work = writer.write(|_| {
                Box::pin(async move {
                    let _ = begun.send(());
                    std::future::pending::<Result<(), StoreError>>().await
                })
            });
            work.await
        });
        is_begun.await.expect("begun");
        let closed = store.close_within(Duration::from_millis(50));
        timeout(Duration::from_secs(30), closed)
            .await
            .expect("it waits for the write");
        hangs.abort();
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_named() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("wharf.db");
        fs::write(
            &path,
            "not a database, but long enough to be looked at".repeat(50),
        )
        .expect("written");
        let error = Store::open(&path).await.expect_err("no database");
        assert!(error.to_string().contains("wharf.db"), "{error}");
    }
}
