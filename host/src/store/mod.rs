//! SQLite: the only place that knows SQL.
//!
//! One connection writes, in batches: commits that arrive together share one flush to the disk, so `synchronous = FULL`
//! costs little. Readers have their own connections and never wait for the writer.

mod accounts;
mod addresses;
mod aliases;
mod aside;
mod bracket;
mod bulk;
mod copies;
mod deliveries;
mod events;
mod forget;
mod idempotency;
mod inbound;
mod kv;
mod many;
mod outbox;
mod pacing;
mod place;
mod readers;
mod recent;
mod restrictions;
mod script;
mod sessions;
mod space;
#[cfg(test)]
mod upgrade;
mod wishes;
mod writer;

use std::{fs, path::Path, sync::Arc, time::Duration};

use sqlx::{
    ConnectOptions,
    error::DatabaseError,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

pub use accounts::{Held, Relinked};
use addresses::Addresses;
use aliases::Aliases;
use aside::Aside;
pub use bulk::{BulkAccept, BulkRecipient, BulkReport, NewBulk, Pending, unreadable};
pub use deliveries::{Delivery, DeliveryCount, DeliveryFilter, DeliveryPage, DeliveryState, NewDelivery, Update};
pub use events::StoredEvent;
pub use idempotency::Idempotency;
pub use outbox::{
    Accept, Accepted, Ack, Begin, Begun, DOUBTS, Doubtful, Filter, Finish, HistoryRow, Listed, NewRow, OutboxId, OutboxRow, QUEUE_PLACES, RowState,
    Shortcut, Step,
};
pub use pacing::Sending;
use place::Place;
use readers::Readers;
use recent::Recent;
pub use sessions::{HealthRow, SessionRow};
pub use wishes::SessionWish;
use writer::Writer;

use crate::files;

/// How long is waited for who else has the file.
const PATIENCE: Duration = Duration::from_secs(5);

/// What cannot be stored or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be used.
    #[error("cannot open the database {path}: {reason}")]
    Open {
        /// The file.
        path: String,
        /// SQLite's or the system's words.
        reason: String,
    },
    /// The file was written by a newer gateway.
    #[error("the database {path} was written by a newer version of the gateway; start that one, or name another file in [storage] database")]
    TooNew {
        /// The file.
        path: String,
    },
    /// More writes wait than can be done soon, or another program holds the write lock.
    #[error("the database is busy: too many writes are waiting, or another program holds its lock")]
    Busy,
    /// The file is not at its place any more: what is written would be gone with the process.
    #[error("the database {path} was moved away or replaced while the gateway runs; put it back, or restart the gateway")]
    Moved {
        /// Where it was opened.
        path: String,
    },
    /// The file system of the database is full.
    #[error("the disk is full: the database cannot be written; free space, or move [storage] database")]
    Full,
    /// SQLite's words.
    #[error("database: {0}")]
    Database(String),
    /// What was read is not what was written.
    #[error("database: unreadable {0}")]
    Corrupt(String),
}

impl StoreError {
    fn closed() -> Self {
        Self::Database("the store is closed".into())
    }

    fn broken_off() -> Self {
        Self::Database("a write broke off; nothing of its batch is kept".into())
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match primary_code(&error) {
            // `SQLITE_BUSY` and `SQLITE_LOCKED`.
            Some(5 | 6) => Self::Busy,
            // `SQLITE_FULL`.
            Some(13) => Self::Full,
            _ => Self::Database(error.to_string()),
        }
    }
}

/// `SQLite`'s primary result code, see <https://www.sqlite.org/rescode.html>. None: the error is not the database's.
fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let code = error.as_database_error().and_then(DatabaseError::code)?;
    code.parse::<i32>().ok().map(|code| code & 0xff)
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        // Its own words may quote what a message says.
        Self::Corrupt(format!("JSON: {:?} error in line {}, column {}", error.classify(), error.line(), error.column()))
    }
}

/// The database. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    path: Arc<Path>,
    writer: Writer,
    readers: Readers,
    addresses: Addresses,
    aliases: Aliases,
    recent: Recent,
    aside: Aside,
    place: Place,
}

impl Store {
    /// Opens the file, made with mode 0600 when it is not there, and brings its tables up to date; before that it is copied
    /// beside itself.
    ///
    /// # Errors
    /// When the file cannot be used or was written by a newer gateway.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let name = path.display().to_string();
        let wrong = |reason: String| StoreError::Open { path: name.clone(), reason };
        if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            fs::create_dir_all(parent).map_err(|error| wrong(error.to_string()))?;
        }
        files::made(path).map_err(|error| wrong(error.to_string()))?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(PATIENCE);
        // What is deleted is written over: in the rows' own pages, which are written anyway, and in pages that become empty.
        let writing = options.clone().pragma("secure_delete", "ON").pragma("journal_size_limit", space::LOG_LIMIT);
        if fs::metadata(path).is_ok_and(|file| file.len() == 0) {
            space::found(&writing).await.map_err(|error| wrong(error.to_string()))?;
        }
        let mut connection = writing.connect().await.map_err(|error| wrong(error.to_string()))?;
        let steps = sqlx::migrate!("src/store/migrations");
        copies::keep(&mut connection, &steps, path).await?;
        steps.run(&mut connection).await.map_err(|error| match error {
            sqlx::migrate::MigrateError::VersionMissing(_) => StoreError::TooNew { path: name.clone() },
            other => wrong(other.to_string()),
        })?;
        space::convert(&mut connection, path).await.map_err(|error| wrong(error.to_string()))?;
        addresses::drop_broken(&mut connection).await.map_err(|error| wrong(error.to_string()))?;
        outbox::look_again(&mut connection).await.map_err(|error| wrong(error.to_string()))?;
        let readers = Readers::open(&options).await.map_err(|error| wrong(error.to_string()))?;
        let aside = Aside::default();
        let addresses = Addresses::load(&readers, &aside).await?;
        let aliases = Aliases::load(&readers).await?;
        let place = Place::of(path).map_err(|error| wrong(error.to_string()))?;
        let writer = Writer::start(writing, connection, place.clone()).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { path: path.into(), writer, readers, addresses, aliases, recent: Recent::default(), aside, place })
    }

    /// Writes what is waiting and closes the file.
    pub async fn close(&self) {
        self.writer.close().await;
        self.readers.close().await;
    }
}

#[cfg(test)]
impl Store {
    /// Does to the rows what another version, or a broken disk, might have done.
    pub(crate) async fn spoil(&self, sql: &'static str) {
        assert!(self.writer.statement(sqlx::query(sql)).await.expect("spoilt") > 0, "{sql}");
    }
}

#[cfg(test)]
pub(crate) async fn scratch() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().expect("tempdir");
    let store = Store::open(&dir.path().join("wharf.db")).await.expect("store");
    (dir, store)
}

/// Keeps every other connection from writing until what this returns is awaited.
#[cfg(test)]
pub(crate) async fn hold(path: &Path) -> impl Future<Output = ()> {
    let mut connection = SqliteConnectOptions::new().filename(path).connect().await.expect("a connection");
    sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.expect("begun");
    async move {
        sqlx::query("ROLLBACK").execute(&mut connection).await.expect("ended");
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[tokio::test]
    async fn a_database_of_a_newer_gateway_is_refused_in_words() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("wharf.db");
        let store = Store::open(&path).await.expect("store");
        assert_eq!(fs::metadata(&path).expect("metadata").permissions().mode() & 0o777, 0o600);
        sqlx::query("INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (9999, 'x', 1, x'00', 0)")
            .execute(&mut *store.readers.get().await.expect("reader"))
            .await
            .expect("inserted");
        store.close().await;
        assert!(matches!(Store::open(&path).await, Err(StoreError::TooNew { .. })));
    }

    #[tokio::test]
    async fn a_file_that_is_no_database_is_named() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("wharf.db");
        fs::write(&path, "not a database, but long enough to be looked at".repeat(50)).expect("written");
        let error = Store::open(&path).await.expect_err("no database");
        assert!(error.to_string().contains("wharf.db"), "{error}");
    }
}
