//! Returning disk space: free pages are released from the database file a few at a time, and the
//! write-ahead log is truncated.

use super::{
    Store, StoreError,
    file::{INCREMENTAL, mode},
    forget::Throttle,
};

/// Free pages (of 4 KiB) that stay in the file for the next writes.
const RESERVE: i64 = 256;

impl Store {
    /// Releases free pages to the file system in small steps. Returns whether there were any to
    /// release.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn give_back(&self) -> Result<bool, StoreError> {
        let mut throttle = Throttle::begin();
        if mode(&mut *self.readers.get().await?).await? != INCREMENTAL {
            return Ok(false);
        }
        let mut empty = self.empty_pages().await?;
        while empty > RESERVE {
            self.give_some_back().await?;
            throttle.rest().await;
            let left = self.empty_pages().await?;
            // Others may free more pages than a step releases; the next call handles those.
            if left >= empty {
                break;
            }
            empty = left;
        }
        Ok(throttle.went())
    }

    /// Runs one step.
    pub(super) async fn give_some_back(&self) -> Result<(), StoreError> {
        let work = self.writer.write_deferrable(|connection| {
            Box::pin(async move {
                // The pragma releases one page for each row that is fetched.
                sqlx::query("PRAGMA incremental_vacuum(64)")
                    .fetch_all(connection)
                    .await?;
                Ok(())
            })
        });
        work.await
    }

    pub(super) async fn empty_pages(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar("PRAGMA freelist_count")
            .fetch_one(&mut *self.readers.get().await?)
            .await?)
    }

    /// Truncates the write-ahead log, which still contains deleted data. Returns `false` if a
    /// reader still uses the log.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn empty_log(&self) -> Result<bool, StoreError> {
        // Most of the log is copied here, beside the writer; only the rest has to be copied by the
        // writer between two transactions.
        sqlx::query("PRAGMA wal_checkpoint(PASSIVE)")
            .fetch_all(&mut *self.readers.get().await?)
            .await?;
        self.writer.empty_log().await
    }
}
