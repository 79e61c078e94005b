//! The writing connection. It is discarded after a failed batch, because SQLite may have rolled
//! back parts of the transaction, and reopened for the next batch. So writing resumes as soon as a
//! full disk has space again.

use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tracing::error;

use crate::store::{error::StoreError, place::Place};

pub(super) struct WriteConnection {
    options: SqliteConnectOptions,
    /// The file that the readers have open.
    place: Place,
    open: Option<SqliteConnection>,
}

impl WriteConnection {
    /// `open` was opened with `options` and is connected to the file of `place`.
    pub(super) fn new(options: SqliteConnectOptions, open: SqliteConnection, place: Place) -> Self {
        Self {
            options,
            place,
            open: Some(open),
        }
    }

    /// Returns the connection, and reopens it if it was closed.
    ///
    /// # Errors
    /// [`StoreError::Moved`] if it has to be reopened and another file is at the path, or when it
    /// cannot be opened.
    pub(super) async fn get(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        let connection = match self.open.take() {
            Some(connection) => connection,
            None => {
                // Otherwise another file at that path would get the data of this one.
                self.place.look()?;
                self.options.connect().await?
            }
        };
        Ok(self.open.insert(connection))
    }

    /// Closes the connection, which rolls back an open transaction.
    pub(super) async fn close(&mut self) {
        if let Some(connection) = self.open.take()
            && let Err(error) = connection.close().await
        {
            error!(%error, "the write connection was not closed cleanly");
        }
    }
}
