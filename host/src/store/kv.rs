//! The plugins' key-value storage.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::{Row, SqliteConnection};

use super::{
    Store, StoreError,
    recent::{Found, Place, Value},
};
use crate::{
    model::Timestamp,
    plugins::{KvError, KvSpace, KvStore},
};

const MAX_KEY: usize = 512;
const MAX_VALUE: usize = 1 << 20;
/// Keys in one list.
const MAX_LIST: u32 = 1000;

fn session(space: &KvSpace) -> String {
    space.session.as_ref().map(ToString::to_string).unwrap_or_default()
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
        let place = place(space, key);
        let value = match self.recent.find(&place) {
            Found::Kept(value) => value,
            Found::Unknown(since) => {
                let value = self.read(space, key).await?;
                self.recent.keep(place, since, value.as_ref());
                value
            }
        };
        Ok(value.filter(|value| value.expires_at.is_none_or(|at| at > now())).map(|value| (value.bytes, value.version)))
    }

    async fn set(&self, space: &KvSpace, key: &str, expected: Option<Option<u64>>, value: &[u8], ttl: Option<Duration>) -> Result<bool, KvError> {
        if key.is_empty() || key.len() > MAX_KEY || value.len() > MAX_VALUE {
            return Err(KvError::TooLarge);
        }
        let (space, key, value) = (space.clone(), key.to_owned(), value.to_vec());
        let expires = ttl.map(|ttl| Timestamp::now().plus_millis(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)).0);
        let place = place(&space, &key);
        self.recent.writing(&place);
        let written =
            self.writer.write(move |connection| Box::pin(async move { set(connection, &space, &key, expected, value, expires).await })).await;
        self.recent.written(&place);
        match written? {
            Written::Yes => Ok(true),
            Written::Unexpected => Ok(false),
            Written::Full => Err(KvError::QuotaExceeded),
        }
    }

    async fn delete(&self, space: &KvSpace, key: &str) -> Result<(), KvError> {
        let delete = sqlx::query("DELETE FROM kv WHERE plugin = ? AND session = ? AND key = ?");
        let place = place(space, key);
        self.recent.writing(&place);
        let deleted = self.writer.statement(delete.bind(space.plugin.clone()).bind(session(space)).bind(key.to_owned())).await;
        self.recent.written(&place);
        Ok(deleted.map(drop)?)
    }

    async fn list(&self, space: &KvSpace, prefix: &str, cursor: Option<&str>, limit: u32) -> Result<Vec<String>, KvError> {
        // SQLite compares text by bytes; LIKE would fold case and know wildcards.
        let sql = "SELECT key FROM kv WHERE plugin = ?1 AND session = ?2 AND key > ?3 AND substr(key, 1, length(?4)) = ?4 \
                   AND (expires_at IS NULL OR expires_at > ?5) ORDER BY key LIMIT ?6";
        let rows = sqlx::query_scalar(sql)
            .bind(&space.plugin)
            .bind(session(space))
            .bind(cursor.unwrap_or(""))
            .bind(prefix)
            .bind(now())
            .bind(limit.min(MAX_LIST))
            .fetch_all(&mut *self.readers.get().await?)
            .await;
        Ok(rows.map_err(StoreError::from)?)
    }
}

impl Store {
    /// What the table has, expired or not.
    async fn read(&self, space: &KvSpace, key: &str) -> Result<Option<Value>, StoreError> {
        let sql = "SELECT value, version, expires_at FROM kv WHERE plugin = ? AND session = ? AND key = ?";
        let query = sqlx::query(sql).bind(&space.plugin).bind(session(space)).bind(key);
        let Some(row) = query.fetch_optional(&mut *self.readers.get().await?).await? else { return Ok(None) };
        let version = u64::try_from(row.try_get::<i64, _>("version")?).unwrap_or(0);
        Ok(Some(Value { bytes: row.try_get("value")?, version, expires_at: row.try_get("expires_at")? }))
    }
}

enum Written {
    Yes,
    Unexpected,
    Full,
}

async fn set(
    connection: &mut SqliteConnection,
    space: &KvSpace,
    key: &str,
    expected: Option<Option<u64>>,
    value: Vec<u8>,
    expires: Option<i64>,
) -> Result<Written, StoreError> {
    let (plugin, session, now) = (&space.plugin, session(space), now());
    sqlx::query("DELETE FROM kv WHERE plugin = ? AND session = ? AND expires_at <= ?")
        .bind(plugin)
        .bind(&session)
        .bind(now)
        .execute(&mut *connection)
        .await?;
    let version: Option<i64> = sqlx::query_scalar("SELECT version FROM kv WHERE plugin = ? AND session = ? AND key = ?")
        .bind(plugin)
        .bind(&session)
        .bind(key)
        .fetch_optional(&mut *connection)
        .await?;
    let found = version.map(|version| u64::try_from(version).unwrap_or(0));
    if expected.is_some_and(|expected| expected != found) {
        return Ok(Written::Unexpected);
    }
    let used: i64 = sqlx::query_scalar(
        "SELECT coalesce(sum(length(CAST(key AS BLOB)) + length(value)), 0) FROM kv WHERE plugin = ? AND session = ? AND key <> ?",
    )
    .bind(plugin)
    .bind(&session)
    .bind(key)
    .fetch_one(&mut *connection)
    .await?;
    let wanted = u64::try_from(used).unwrap_or(0) + u64::try_from(key.len() + value.len()).unwrap_or(u64::MAX);
    if wanted > space.quota {
        return Ok(Written::Full);
    }
    sqlx::query("INSERT OR REPLACE INTO kv (plugin, session, key, value, version, expires_at) VALUES (?, ?, ?, ?, ?, ?)")
        .bind(plugin)
        .bind(&session)
        .bind(key)
        .bind(value)
        .bind(version.unwrap_or(0) + 1)
        .bind(expires)
        .execute(connection)
        .await?;
    Ok(Written::Yes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::scratch;

    fn space(session: Option<&str>, quota: u64) -> KvSpace {
        KvSpace { plugin: "p".into(), session: session.map(|s| s.parse().expect("id")), quota }
    }

    #[tokio::test]
    async fn values_have_versions_quotas_and_an_end() {
        let (_dir, store) = scratch().await;
        let mine = space(Some("a"), 100);
        assert_eq!(store.get(&mine, "k").await, Ok(None));
        assert_eq!(store.set(&mine, "k", Some(None), b"1", None).await, Ok(true));
        assert_eq!(store.set(&mine, "k", Some(None), b"2", None).await, Ok(false), "it exists");
        assert_eq!(store.get(&mine, "k").await, Ok(Some((b"1".to_vec(), 1))));
        assert_eq!(store.set(&mine, "k", Some(Some(1)), b"2", None).await, Ok(true));
        assert_eq!(store.set(&mine, "k", Some(Some(1)), b"3", None).await, Ok(false), "another version");
        assert_eq!(store.get(&space(None, 100), "k").await, Ok(None), "namespaces are apart");
        assert_eq!(store.set(&mine, "big", None, &[0; 99], None).await, Err(KvError::QuotaExceeded));
        assert_eq!(store.set(&mine, &"k".repeat(513), None, b"", None).await, Err(KvError::TooLarge));
        assert_eq!(store.set(&mine, "gone", None, b"x", Some(Duration::ZERO)).await, Ok(true));
        assert_eq!(store.get(&mine, "gone").await, Ok(None));
    }

    #[tokio::test]
    async fn a_counter_raised_by_many_at_once_loses_nothing() {
        let (_dir, store) = scratch().await;
        let mine = space(None, 1000);
        let raise = async || {
            loop {
                let (value, version) = store.get(&mine, "n").await.expect("read").map_or((0, None), |(v, version)| (v[0], Some(version)));
                if store.set(&mine, "n", Some(version), &[value + 1], None).await.expect("set") {
                    return;
                }
            }
        };
        futures_util::future::join_all((0..20).map(|_| raise())).await;
        assert_eq!(store.get(&mine, "n").await.expect("read").expect("there").0, [20]);
    }

    #[tokio::test]
    async fn keys_are_listed_in_byte_order_by_prefix() {
        let (_dir, store) = scratch().await;
        let mine = space(None, 1000);
        for key in ["b/2", "a%", "b/1", "B/3", "b/10"] {
            store.set(&mine, key, None, b"", None).await.expect("set");
        }
        assert_eq!(store.list(&mine, "b/", None, 2).await.expect("list"), ["b/1", "b/10"]);
        assert_eq!(store.list(&mine, "b/", Some("b/10"), 9).await.expect("list"), ["b/2"]);
        assert_eq!(store.list(&mine, "a%", None, 9).await.expect("list"), ["a%"]);
        store.delete(&mine, "b/2").await.expect("deleted");
        assert_eq!(store.list(&mine, "b/2", None, 9).await.expect("list"), Vec::<String>::new());
    }
}
