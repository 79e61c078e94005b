//! The database file: its auto-vacuum mode, which lets it shrink, and its write-ahead log.

use std::{fs, path::Path, time::Duration};

use nix::sys::statvfs::statvfs;
use sqlx::{
    ConnectOptions, Connection, SqliteConnection, sqlite::SqliteAutoVacuum,
    sqlite::SqliteConnectOptions,
};
use tracing::{info, warn};

/// How long to wait for a lock that another program holds.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes to which SQLite truncates the write-ahead log when it restarts it. The log usually needs
/// about 4 MiB.
pub(super) const LOG_LIMIT: &str = "16777216";
/// The value of `PRAGMA auto_vacuum` for a file that can release its free pages a few at a time.
pub(super) const INCREMENTAL: i64 = 2;

/// Creates the file in incremental auto-vacuum mode. The mode has to be set before the first table
/// is created.
pub(super) async fn found(options: &SqliteConnectOptions) -> Result<(), sqlx::Error> {
    options
        .clone()
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .connect()
        .await?
        .close()
        .await
}

/// Converts the file of an older gateway to incremental auto-vacuum mode, which takes one `VACUUM`.
/// If that is not possible, the file stays as it is: free pages are reused, but the file does not
/// shrink.
pub(super) async fn convert(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<(), sqlx::Error> {
    if mode(connection).await? == INCREMENTAL {
        return Ok(());
    }
    let bytes = size(path);
    // `VACUUM` needs the space twice: in a temporary file and in the write-ahead log.
    let wanted = bytes.saturating_mul(2);
    if let Some(free) = free(path).filter(|free| *free < wanted) {
        warn!(
            bytes,
            free,
            wanted,
            "too little free disk space to rebuild the database; until there is enough, its file cannot shrink"
        );
        return Ok(());
    }
    info!(bytes, path = %path.display(), "the database is rebuilt once, so that it can return free space to the file system");
    match rewrite(connection).await {
        Ok(()) => info!(
            before = bytes,
            after = size(path),
            "the database was rebuilt"
        ),
        Err(error) => {
            warn!(%error, "the database could not be rebuilt; until it is, its file cannot shrink")
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

/// Free bytes of the file system, or `None` if it does not report them.
fn free(path: &Path) -> Option<u64> {
    let stat = statvfs(path).ok().filter(|stat| stat.blocks() > 0)?;
    Some(stat.blocks_available().saturating_mul(stat.fragment_size()))
}

/// Copies the write-ahead log into the database file and truncates it, because the log still
/// contains what was deleted. Must not run within a transaction. Returns `false` without waiting if
/// a reader still uses the log.
pub(super) async fn empty_log(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    let patience: i64 = sqlx::query_scalar("PRAGMA busy_timeout")
        .fetch_one(&mut *connection)
        .await?;
    sqlx::query("PRAGMA busy_timeout = 0")
        .fetch_all(&mut *connection)
        .await?;
    let done = sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)")
        .fetch_one(&mut *connection)
        .await;
    let patience = sqlx::AssertSqlSafe(format!("PRAGMA busy_timeout = {patience}"));
    sqlx::query(patience).fetch_all(connection).await?;
    let (busy, _, _): (bool, i64, i64) = done?;
    Ok(!busy)
}
