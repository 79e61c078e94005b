//! Giving space back: pages that nothing is in any more leave the file, a few at a time, and the
//! write-ahead log is emptied.

use super::{
    Store, StoreError,
    file::{INCREMENTAL, mode},
    forget::Throttle,
};

/// Empty pages (of 4 KiB) that stay in the file: what is written next takes them.
const RESERVE: i64 = 256;

impl Store {
    /// Gives pages that nothing is in back to the file system, in small steps. True: there were
    /// some.
    ///
    /// # Errors
    /// When the database refuses.
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
            // Others may empty more than is given back; the next call sees to those.
            if left >= empty {
                break;
            }
            empty = left;
        }
        Ok(throttle.went())
    }

    /// One step.
    pub(super) async fn give_some_back(&self) -> Result<(), StoreError> {
        let work = self.writer.write_deferrable(|connection| {
            Box::pin(async move {
                // It does a page with each row that is asked for.
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

    /// Empties the write-ahead log, which holds what was deleted until it is written over. False:
    /// not now.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn empty_log(&self) -> Result<bool, StoreError> {
        // Most of it is copied beside the writer; what is left costs the writer a moment between
        // two transactions.
        sqlx::query("PRAGMA wal_checkpoint(PASSIVE)")
            .fetch_all(&mut *self.readers.get().await?)
            .await?;
        self.writer.empty_log().await
    }
}
