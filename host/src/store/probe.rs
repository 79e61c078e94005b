//! Health check: whether the database can be written, and is where the next start looks for it.

use std::time::Duration;

use tokio::time::timeout;

use super::{Store, StoreError};
use crate::model::Timestamp;

/// A healthy writer has committed one row within this time.
const PROBE: Duration = Duration::from_secs(2);

impl Store {
    /// Whether the database takes writes, and is where the next start looks for it.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if one row is not committed within two seconds, [`StoreError::Full`],
    /// [`StoreError::Moved`], or any other error of the database.
    pub async fn check(&self) -> Result<(), StoreError> {
        self.look_at_place()?;
        let sql =
            "INSERT INTO probe (id, at) VALUES (1, ?1) ON CONFLICT (id) DO UPDATE SET at = ?1";
        let written = timeout(
            PROBE,
            self.writer
                .statement(sqlx::query(sql).bind(Timestamp::now().0)),
        )
        .await;
        written.unwrap_or(Err(StoreError::Busy)).map(drop)
    }

    /// Checks that the database is where the next start looks for it. If it is not, no messages are
    /// accepted until a later check succeeds. A change is logged.
    ///
    /// # Errors
    /// [`StoreError::Moved`] if it is not.
    pub fn look_at_place(&self) -> Result<(), StoreError> {
        self.place.look()
    }

    /// Resolves when the writer has ended, after which nothing can be written.
    pub async fn ended(&self) {
        self.writer.ended().await;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::store::scratch;

    #[tokio::test]
    async fn a_database_that_is_moved_away_or_replaced_is_noticed_until_it_is_back() {
        let (dir, store) = scratch().await;
        let (path, away) = (dir.path().join("wharf.db"), dir.path().join("away.db"));
        assert_eq!(store.check().await, Ok(()));
        fs::rename(&path, &away).expect("moved");
        let moved = Err(StoreError::Moved {
            path: path.display().to_string(),
        });
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
        let mut other = SqliteConnectOptions::new()
            .filename(dir.path().join("wharf.db"))
            .connect()
            .await
            .expect("a connection");
        sqlx::query("BEGIN IMMEDIATE")
            .execute(&mut other)
            .await
            .expect("the lock");
        assert_eq!(store.check().await, Err(StoreError::Busy));
        sqlx::query("ROLLBACK")
            .execute(&mut other)
            .await
            .expect("given back");
        assert_eq!(store.check().await, Ok(()));
    }
}
