//! The reading connections.
//!
//! Not sqlx's own pool: that asks a connection whether it lives before it is lent and again when it
//! comes back, two trips to another thread beside the one of the query. A file that is open does
//! not go away.

use deadpool::unmanaged::{Object, Pool};
use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use super::error::StoreError;

/// Queries that run at a time.
const READERS: usize = 4;

#[derive(Debug, Clone)]
pub(super) struct Readers(Pool<SqliteConnection>);

impl Readers {
    pub(super) async fn open(options: &SqliteConnectOptions) -> Result<Self, sqlx::Error> {
        let mut connections = Vec::with_capacity(READERS);
        for _ in 0..READERS {
            connections.push(options.connect().await?);
        }
        Ok(Self(Pool::from(connections)))
    }

    /// A connection, as soon as one is free.
    pub(super) async fn get(&self) -> Result<Object<SqliteConnection>, StoreError> {
        self.0.get().await.map_err(|_| StoreError::closed())
    }

    /// Closes them as they become free; nobody gets one any more.
    pub(super) async fn close(&self) {
        for _ in 0..READERS {
            if let Ok(connection) = self.0.remove().await {
                // Whatever it says, the connection is gone.
                let _ = connection.close().await;
            }
        }
        self.0.close();
    }
}
