//! Copies the database beside itself before a migration, so that an upgrade can be undone.
//!
//! The copy contains message texts, so it is deleted when those texts reach their age
//! (`forget/copies.rs`).

use std::path::Path;

use sqlx::{AssertSqlSafe, SqliteConnection, migrate::Migrator};
use tracing::info;

use super::error::StoreError;
use crate::files::Fresh;

/// Copies the database to `<name>.before-<version>`, where `version` is the first migration of
/// `steps` that the database lacks. Does nothing if it has no tables or lacks no migration.
pub(super) async fn keep(
    connection: &mut SqliteConnection,
    steps: &Migrator,
    path: &Path,
) -> Result<(), StoreError> {
    let there = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = '_sqlx_migrations')";
    if !sqlx::query_scalar(there)
        .fetch_one(&mut *connection)
        .await?
    {
        return Ok(());
    }
    let newest: Option<i64> =
        sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations WHERE success")
            .fetch_one(&mut *connection)
            .await?;
    let (Some(newest), Some(step)) = (
        newest,
        steps
            .iter()
            .find(|step| newest.is_some_and(|newest| step.version > newest)),
    ) else {
        return Ok(());
    };
    let target = path.with_file_name(format!("{}.before-{:04}", name(path), step.version));
    let wrong = |reason: String| {
        let path = path.display().to_string();
        StoreError::Open {
            path,
            reason: format!(
                "it cannot be copied before its upgrade from version {newest} and was left unchanged: {reason}"
            ),
        }
    };
    // `VACUUM INTO` accepts an existing file only while that is empty.
    let draft = Fresh::beside(&target).map_err(|error| wrong(error.to_string()))?;
    let quoted = draft.path().display().to_string().replace('\'', "''");
    sqlx::query(AssertSqlSafe(format!("VACUUM INTO '{quoted}'")))
        .execute(connection)
        .await
        .map_err(|error| wrong(error.to_string()))?;
    draft.replace().map_err(|error| wrong(error.to_string()))?;
    info!(copy = %target.display(), "the database was copied before its upgrade; docs/operations.md says how to go back");
    Ok(())
}

pub(super) fn name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};

    use super::*;
    use crate::{model::Timestamp, store::Store};

    /// Creates a database with the tables of an earlier version and one session.
    async fn older(path: &Path, newest: i64) {
        let mut steps = sqlx::migrate!("src/store/migrations");
        steps.migrations = steps
            .migrations
            .iter()
            .filter(|step| step.version <= newest)
            .cloned()
            .collect();
        let mut connection = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .connect()
            .await
            .expect("made");
        steps.run(&mut connection).await.expect("the older tables");
        let sql =
            "INSERT INTO session_wish (client, wanted, made, metadata) VALUES ('kept', 1, 1, '[]')";
        sqlx::query(sql)
            .execute(&mut connection)
            .await
            .expect("inserted");
        connection.close().await.expect("closed");
    }

    #[tokio::test]
    async fn the_way_back_is_kept_before_an_upgrade_and_forgotten_with_what_messages_say() {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("wharf.db");
        older(&path, 9).await;
        let store = Store::open(&path).await.expect("upgraded");
        let copy = dir.path().join("wharf.db.before-0010");
        assert_eq!(
            fs::metadata(&copy).expect("a copy").permissions().mode() & 0o777,
            0o600
        );
        let mut older = SqliteConnectOptions::new()
            .filename(&copy)
            .read_only(true)
            .connect()
            .await
            .expect("opened");
        let count = |sql: &'static str| sqlx::query_scalar::<_, i64>(sql);
        assert_eq!(
            count("SELECT max(version) FROM _sqlx_migrations")
                .fetch_one(&mut older)
                .await
                .expect("read"),
            9
        );
        assert_eq!(
            count("SELECT count(*) FROM session_wish")
                .fetch_one(&mut older)
                .await
                .expect("read"),
            1
        );
        older.close().await.expect("closed");
        assert_eq!(store.forget_copies(Timestamp(1)).await, Ok(false));
        assert!(copy.exists());
        assert_eq!(
            store
                .forget_copies(Timestamp::now().plus_millis(60_000))
                .await,
            Ok(true)
        );
        assert!(!copy.exists());
        store.close().await;
        drop(Store::open(&path).await.expect("opened again"));
        let names: Vec<_> = fs::read_dir(dir.path())
            .expect("read")
            .map(|entry| entry.expect("entry").file_name())
            .collect();
        assert!(
            !names
                .iter()
                .any(|name| name.to_string_lossy().contains("before")),
            "nothing changes, nothing is copied: {names:?}"
        );
    }
}
