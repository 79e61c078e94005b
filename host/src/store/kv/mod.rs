//! Key-value storage of the plugins.

#[cfg(test)]
mod fuzz;
pub(super) mod operator;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_trait::async_trait;
use sqlx::{Row, SqliteConnection};

use super::{
    Store, StoreError,
    recent::{Found, Place, Value},
};
use crate::{
    model::{Timestamp, millis},
    plugins::{KvError, KvSpace, KvStore},
};

const MAX_KEY: usize = 512;
const MAX_VALUE: usize = 1 << 20;
/// Maximum number of keys in one list.
const MAX_LIST: u32 = 1000;
const LIST: &str = "SELECT key FROM kv WHERE plugin = ?1 AND session = ?2 AND key > ?3 AND key >= ?4 AND key <= ?7 AND substr(CAST(key AS BLOB), 1, length(CAST(?4 AS BLOB))) = CAST(?4 AS BLOB) \
                    AND (expires_at IS NULL OR expires_at > ?5) ORDER BY key LIMIT ?6";

fn session(space: &KvSpace) -> String {
    space
        .session
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default()
}

fn place(space: &KvSpace, key: &str) -> Place {
    Place::new(&space.plugin, session(space), key)
}

fn now() -> i64 {
    Timestamp::now().0
}

impl From<StoreError> for KvError {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

#[async_trait]
impl KvStore for Store {
    async fn get(&self, space: &KvSpace, key: &str) -> Result<Option<(Vec<u8>, u64)>, KvError> {
        // There is no such key. It must not get into the cache either, which counts keys.
        if key.len() > MAX_KEY {
            return Ok(None);
        }
        let place = place(space, key);
        let value = match self.recent.find(&place) {
            Found::Kept(value) => value,
            Found::Unknown(since) => {
                let value = self.read(space, key).await?;
                self.recent.keep(place, since, value.as_ref());
                value
            }
        };
        Ok(value
            .filter(|value| value.expires_at.is_none_or(|at| at > now()))
            .map(|value| (value.bytes, value.version)))
    }

    async fn set(
        &self,
        space: &KvSpace,
        key: &str,
        expected: Option<Option<u64>>,
        value: &[u8],
        ttl: Option<Duration>,
    ) -> Result<bool, KvError> {
        if key.is_empty() || key.len() > MAX_KEY || value.len() > MAX_VALUE {
            return Err(KvError::TooLarge);
        }
        let (space, key, value) = (space.clone(), key.to_owned(), value.to_vec());
        let expires = ttl.map(|ttl| Timestamp::now().plus_millis(millis(ttl)).0);
        let (place, writer) = (place(&space, &key), self.writer.clone());
        let write = async move {
            let work = writer.write(move |connection| {
                Box::pin(
                    async move { set(connection, &space, &key, expected, value, expires).await },
                )
            });
            work.await
        };
        match self.change(place, write).await? {
            Written::Yes => Ok(true),
            Written::Unexpected => Ok(false),
            Written::Full => Err(KvError::QuotaExceeded),
        }
    }

    async fn delete(&self, space: &KvSpace, key: &str) -> Result<(), KvError> {
        if key.len() > MAX_KEY {
            return Ok(());
        }
        let delete = sqlx::query(DELETE);
        let delete = delete
            .bind(space.plugin.clone())
            .bind(session(space))
            .bind(key.to_owned());
        let writer = self.writer.clone();
        let write = async move { writer.statement(delete).await };
        Ok(self.change(place(space, key), write).await.map(drop)?)
    }

    async fn list(
        &self,
        space: &KvSpace,
        prefix: &str,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<Vec<String>, KvError> {
        if prefix.len() > MAX_KEY {
            return Ok(vec![]);
        }
        // `LIKE` would ignore case and has wildcards. Instead the keys are a range of the index,
        // because SQLite compares text by bytes: every key with this prefix sorts before the prefix
        // followed by the highest characters.
        let last = format!("{prefix}{}", "\u{10FFFF}".repeat(MAX_KEY / 4));
        let rows = sqlx::query_scalar(LIST)
            .bind(&space.plugin)
            .bind(session(space))
            .bind(cursor.unwrap_or(""))
            .bind(prefix)
            .bind(now())
            .bind(limit.min(MAX_LIST))
            .bind(last)
            .fetch_all(&mut *self.readers.get().await?)
            .await;
        Ok(rows.map_err(StoreError::from)?)
    }
}

impl Store {
    /// Runs a write of one key, which is not cached until the write is done.
    ///
    /// The write is a task of its own. A plugin's time-out drops the calling future, but not what
    /// the writer has taken, and only who waits for the writer knows when the key may be cached
    /// again.
    async fn change<T: Send + 'static>(
        &self,
        place: Place,
        write: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let recent = self.recent.clone();
        let writing = recent.writing(place);
        let done = tokio::spawn(async move {
            let done = write.await;
            drop(writing);
            done
        });
        done.await
            .unwrap_or_else(|error| Err(StoreError::Database(error.to_string())))
    }

    /// The value in the table, expired or not.
    async fn read(&self, space: &KvSpace, key: &str) -> Result<Option<Value>, StoreError> {
        let sql = "SELECT value, version, expires_at FROM kv WHERE plugin = ? AND session = ? AND key = ?";
        let query = sqlx::query(sql)
            .bind(&space.plugin)
            .bind(session(space))
            .bind(key);
        let Some(row) = query
            .fetch_optional(&mut *self.readers.get().await?)
            .await?
        else {
            return Ok(None);
        };
        let version = u64::try_from(row.try_get::<i64, _>("version")?).unwrap_or(0);
        Ok(Some(Value {
            bytes: row.try_get("value")?,
            version,
            expires_at: row.try_get("expires_at")?,
        }))
    }
}

enum Written {
    Yes,
    Unexpected,
    Full,
}

/// Expired keys that each write deletes at most. A write adds at most one key, so expired keys do
/// not pile up.
const SWEPT: u32 = 16;
const FIND: &str = "SELECT version, length(CAST(key AS BLOB)) + length(value), expires_at FROM kv WHERE plugin = ? AND session = ? AND key = ?";
const DELETE: &str = "DELETE FROM kv WHERE plugin = ? AND session = ? AND key = ?";
const USED: &str = "SELECT bytes FROM kv_space WHERE plugin = ? AND session = ?";
const SWEEP: &str = "DELETE FROM kv WHERE plugin = ?1 AND session = ?2 AND key IN \
                     (SELECT key FROM kv WHERE plugin = ?1 AND session = ?2 AND expires_at <= ?3 ORDER BY expires_at LIMIT ?4)";
/// A version is one more than the highest of the namespace, which triggers keep in `kv_space`. If
/// the versions of each key began at 1, a key that was deleted and written again could have the
/// version that somebody has read before, and their write would succeed over a value that they have
/// never seen.
const WRITE: &str = "INSERT INTO kv (plugin, session, key, value, version, expires_at) \
                     VALUES (?1, ?2, ?3, ?4, 1 + coalesce((SELECT version FROM kv_space WHERE plugin = ?1 AND session = ?2), 0), ?5) \
                     ON CONFLICT DO UPDATE SET value = excluded.value, version = excluded.version, expires_at = excluded.expires_at";

/// Writes a value. The cost does not depend on the size of the namespace: the function reads one
/// key, the namespace's total and the first expired keys.
async fn set(
    connection: &mut SqliteConnection,
    space: &KvSpace,
    key: &str,
    expected: Option<Option<u64>>,
    value: Vec<u8>,
    expires: Option<i64>,
) -> Result<Written, StoreError> {
    let (plugin, session, now) = (&space.plugin, session(space), now());
    sweep(connection, space, now).await?;
    let found: Option<(i64, i64, Option<i64>)> = sqlx::query_as(FIND)
        .bind(plugin)
        .bind(&session)
        .bind(key)
        .fetch_optional(&mut *connection)
        .await?;
    let (version, size) = match found {
        // An expired key counts as missing. It is deleted now: if a sweep below deleted it, its
        // size would be subtracted from a sum that it is not part of any more.
        Some((_, _, Some(at))) if at <= now => {
            sqlx::query(DELETE)
                .bind(plugin)
                .bind(&session)
                .bind(key)
                .execute(&mut *connection)
                .await?;
            (None, 0)
        }
        Some((version, size, _)) => (Some(version), size),
        None => (None, 0),
    };
    if expected.is_some_and(|expected| {
        expected != version.map(|version| u64::try_from(version).unwrap_or(0))
    }) {
        return Ok(Written::Unexpected);
    }
    let added = i64::try_from(key.len() + value.len()).unwrap_or(i64::MAX);
    let quota = i64::try_from(space.quota).unwrap_or(i64::MAX);
    loop {
        let used: Option<i64> = sqlx::query_scalar(USED)
            .bind(plugin)
            .bind(&session)
            .fetch_optional(&mut *connection)
            .await?;
        if used.unwrap_or(0).saturating_sub(size).saturating_add(added) <= quota {
            break;
        }
        // Expired keys are deleted before a write is refused for want of space.
        if sweep(connection, space, now).await? == 0 {
            return Ok(Written::Full);
        }
    }
    sqlx::query(WRITE)
        .bind(plugin)
        .bind(&session)
        .bind(key)
        .bind(value)
        .bind(expires)
        .execute(connection)
        .await?;
    Ok(Written::Yes)
}

/// Deletes some expired keys of a namespace. Returns their number.
async fn sweep(
    connection: &mut SqliteConnection,
    space: &KvSpace,
    now: i64,
) -> Result<u64, StoreError> {
    let sweep = sqlx::query(SWEEP)
        .bind(&space.plugin)
        .bind(session(space))
        .bind(now)
        .bind(SWEPT);
    Ok(sweep.execute(connection).await?.rows_affected())
}
