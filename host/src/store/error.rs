//! [`StoreError`], the error of everything in the store.

use sqlx::error::DatabaseError;

/// Why data cannot be stored or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database file cannot be opened, copied or migrated.
    #[error("cannot open the database {path}: {reason}")]
    Open {
        /// The file.
        path: String,
        /// The error text of SQLite or of the operating system.
        reason: String,
    },
    /// The file was written by a newer gateway.
    #[error(
        "the database {path} was written by a newer version of the gateway; start that one, or name another file in [storage] database"
    )]
    TooNew {
        /// The file.
        path: String,
    },
    /// Too many writes are queued, or another program holds the write lock.
    #[error("the database is busy: too many writes are waiting, or another program holds its lock")]
    Busy,
    /// The file is no longer at its path, so new data would be lost when the process ends.
    #[error(
        "the database {path} was moved away or replaced while the gateway runs; put it back, or restart the gateway"
    )]
    Moved {
        /// The path under which it was opened.
        path: String,
    },
    /// The file system of the database is full.
    #[error(
        "the disk is full: the database cannot be written; free space, or move [storage] database"
    )]
    Full,
    /// Any other database error, as SQLite's text.
    #[error("database: {0}")]
    Database(String),
    /// Stored data cannot be parsed.
    #[error("database: unreadable {0}")]
    Corrupt(String),
}

impl StoreError {
    pub(super) fn closed() -> Self {
        Self::Database("the store is closed".into())
    }

    pub(super) fn broken_off() -> Self {
        Self::Database("a write panicked; its batch was rolled back".into())
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

/// `SQLite`'s primary result code (see <https://www.sqlite.org/rescode.html>), or `None` if the
/// error does not come from the database.
pub(super) fn primary_code(error: &sqlx::Error) -> Option<i32> {
    let code = error.as_database_error().and_then(DatabaseError::code)?;
    code.parse::<i32>().ok().map(|code| code & 0xff)
}

impl From<serde_json::Error> for StoreError {
    fn from(error: serde_json::Error) -> Self {
        // serde_json's own text may quote the content of a message.
        Self::Corrupt(format!(
            "JSON: {:?} error in line {}, column {}",
            error.classify(),
            error.line(),
            error.column()
        ))
    }
}
