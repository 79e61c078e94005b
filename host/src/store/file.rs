//! The file of the database: made so that it can give space back, and its write-ahead log kept
//! short.

use std::{fs, path::Path, time::Duration};

use nix::sys::statvfs::statvfs;
use sqlx::{
    ConnectOptions, Connection, SqliteConnection, sqlite::SqliteAutoVacuum,
    sqlite::SqliteConnectOptions,
};
use tracing::{info, warn};

/// How long is waited for another program that has the file.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// The write-ahead log is cut to so many bytes when it begins anew; about 4 MiB is what it needs.
pub(super) const LOG_LIMIT: &str = "16777216";
/// As `SQLite` says that a file can give back pages a few at a time.
pub(super) const INCREMENTAL: i64 = 2;

/// Makes the file such that it can give space back. That has to be said before there is a table in
/// it.
pub(super) async fn found(options: &SqliteConnectOptions) -> Result<(), sqlx::Error> {
    options
        .clone()
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .connect()
        .await?
        .close()
        .await
}

/// Makes a file of an older gateway such that it can give space back, which takes writing it once
/// anew. Where that cannot be done it stays as it is: emptied pages are used again, and the file
/// does not get smaller.
pub(super) async fn convert(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<(), sqlx::Error> {
    if mode(connection).await? == INCREMENTAL {
        return Ok(());
    }
    let bytes = size(path);
    // Once as a temporary file and once in the write-ahead log.
    let wanted = bytes.saturating_mul(2);
    if let Some(free) = free(path).filter(|free| *free < wanted) {
        warn!(
            bytes,
            free,
            wanted,
            "no room to write the database anew; until there is, it does not get smaller"
        );
        return Ok(());
    }
    info!(bytes, path = %path.display(), "the database is written anew, once, so that it can give space back");
    match rewrite(connection).await {
        Ok(()) => info!(
            before = bytes,
            after = size(path),
            "the database is written anew"
        ),
        Err(error) => {
            warn!(%error, "the database could not be written anew; until it is, it does not get smaller")
        }
    }
    Ok(())
}

async fn rewrite(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    for sql in [
        "PRAGMA auto_vacuum = INCREMENTAL",
        "VACUUM",
        "PRAGMA wal_checkpoint(TRUNCATE)",
    ] {
        sqlx::query(sql).fetch_all(&mut *connection).await?;
    }
    Ok(())
}

pub(super) async fn mode(connection: &mut SqliteConnection) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar("PRAGMA auto_vacuum")
        .fetch_one(connection)
        .await
}

fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |file| file.len())
}

/// None: the file system does not tell.
fn free(path: &Path) -> Option<u64> {
    let stat = statvfs(path).ok().filter(|stat| stat.blocks() > 0)?;
    Some(stat.blocks_available().saturating_mul(stat.fragment_size()))
}

/// Copies the write-ahead log into the file and empties it: what was deleted is in it as it was
/// before. Must not be within a transaction. False: somebody reads from it, who is not waited for.
pub(super) async fn empty_log(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    sqlx::query("PRAGMA busy_timeout = 0")
        .fetch_all(&mut *connection)
        .await?;
    let done = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)")
        .fetch_one(&mut *connection)
        .await;
    let patience = sqlx::AssertSqlSafe(format!(
        "PRAGMA busy_timeout = {}",
        BUSY_TIMEOUT.as_millis()
    ));
    sqlx::query(patience).fetch_all(connection).await?;
    let (busy, _, _): (bool, i64, i64) = done?;
    Ok(!busy)
}
