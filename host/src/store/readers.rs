//! The pool of reading connections.
//!
//! This is not sqlx's pool, because that pings a connection when it is taken and again when it is
//! returned, which costs two more trips to the database thread per query. A connection to an open
//! file does not need that.

use deadpool::unmanaged::{Object, Pool};
use sqlx::{ConnectOptions, Connection, SqliteConnection, sqlite::SqliteConnectOptions};

use super::error::StoreError;

/// Number of connections, and so of queries at a time.
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

    /// Waits for a free connection.
    pub(super) async fn get(&self) -> Result<Object<SqliteConnection>, StoreError> {
        self.0.get().await.map_err(|_| StoreError::closed())
    }

    /// Closes each connection as it becomes free, then the pool.
    pub(super) async fn close(&self) {
        for _ in 0..READERS {
            if let Ok(connection) = self.0.remove().await {
                // The connection is gone even if closing it fails.
                let _ = connection.close().await;
            }
        }
        self.0.close();
    }
}
