//! The one connection that writes. It is thrown away after a failure, because nobody knows then how
//! far SQLite has ended the transaction by itself, and made anew for the next batch: so the gateway
//! writes again as soon as a full disk has room.

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
    /// `open` was made of `options`, and is to the file of `place`.
    pub(super) fn new(options: SqliteConnectOptions, open: SqliteConnection, place: Place) -> Self {
        Self {
            options,
            place,
            open: Some(open),
        }
    }

    /// The connection.
    ///
    /// # Errors
    /// When it has to be made anew and another file is at the place by now, or it cannot be opened.
    pub(super) async fn get(&mut self) -> Result<&mut SqliteConnection, StoreError> {
        let connection = match self.open.take() {
            Some(connection) => connection,
            None => {
                // Another file at that place would get what belongs to this one.
                self.place.look()?;
                self.options.connect().await?
            }
        };
        Ok(self.open.insert(connection))
    }

    /// Closes it. A transaction that is open is rolled back by that.
    pub(super) async fn close(&mut self) {
        if let Some(connection) = self.open.take()
            && let Err(error) = connection.close().await
        {
            error!(%error, "the connection that writes did not close");
        }
    }
}
