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
const LIST: &str = "SELECT key FROM kv WHERE plugin = ?1 AND session = ?2 AND key > ?3 AND key >= ?4 AND key <= ?7 AND substr(key, 1, length(?4)) = ?4 \
                    AND (expires_at IS NULL OR expires_at > ?5) ORDER BY key LIMIT ?6";

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
        // A range of keys, so that no others are looked at: what follows a prefix sorts before as many of the last character.
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

/// Expired keys that go with a write. Each write makes at most one, so they do not pile up.
const SWEPT: u32 = 16;
const FIND: &str = "SELECT version, length(CAST(key AS BLOB)) + length(value), expires_at FROM kv WHERE plugin = ? AND session = ? AND key = ?";
const USED: &str = "SELECT bytes FROM kv_space WHERE plugin = ? AND session = ?";
const SWEEP: &str = "DELETE FROM kv WHERE plugin = ?1 AND session = ?2 AND key IN \
                     (SELECT key FROM kv WHERE plugin = ?1 AND session = ?2 AND expires_at <= ?3 ORDER BY expires_at LIMIT ?4)";
const WRITE: &str = "INSERT INTO kv (plugin, session, key, value, version, expires_at) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE \
                     SET value = excluded.value, version = excluded.version, expires_at = excluded.expires_at";

/// Costs the same whatever the namespace holds: it looks at one key, at the namespace's sum, and at the first of what has
/// expired.
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
    let found: Option<(i64, i64, Option<i64>)> = sqlx::query_as(FIND).bind(plugin).bind(&session).bind(key).fetch_optional(&mut *connection).await?;
    // One that has expired is not there, and still takes its room.
    let (version, size) = match found {
        Some((_, size, Some(at))) if at <= now => (None, size),
        Some((version, size, _)) => (Some(version), size),
        None => (None, 0),
    };
    if expected.is_some_and(|expected| expected != version.map(|version| u64::try_from(version).unwrap_or(0))) {
        return Ok(Written::Unexpected);
    }
    let added = i64::try_from(key.len() + value.len()).unwrap_or(i64::MAX);
    let quota = i64::try_from(space.quota).unwrap_or(i64::MAX);
    loop {
        let used: Option<i64> = sqlx::query_scalar(USED).bind(plugin).bind(&session).fetch_optional(&mut *connection).await?;
        if used.unwrap_or(0).saturating_sub(size).saturating_add(added) <= quota {
            break;
        }
        // Expired keys take no room from others.
        if sweep(connection, space, now).await? == 0 {
            return Ok(Written::Full);
        }
    }
    sqlx::query(WRITE).bind(plugin).bind(&session).bind(key).bind(value).bind(version.unwrap_or(0) + 1).bind(expires).execute(connection).await?;
    Ok(Written::Yes)
}

/// Deletes some expired keys of a namespace; how many.
async fn sweep(connection: &mut SqliteConnection, space: &KvSpace, now: i64) -> Result<u64, StoreError> {
    let sweep = sqlx::query(SWEEP).bind(&space.plugin).bind(session(space)).bind(now).bind(SWEPT);
    Ok(sweep.execute(connection).await?.rows_affected())
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

    /// Steps of SQLite's virtual machine that a write takes.
    async fn steps(connection: &mut SqliteConnection, space: &KvSpace, key: &str, value: &[u8]) -> u64 {
        use std::sync::{
            Arc,
            atomic::{AtomicU64, Ordering},
        };

        let counted = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&counted);
        let count = move || {
            counter.fetch_add(1, Ordering::Relaxed);
            true
        };
        connection.lock_handle().await.expect("the connection").set_progress_handler(1, count);
        let written = set(connection, space, key, None, value.to_vec(), None).await.expect("set");
        connection.lock_handle().await.expect("the connection").remove_progress_handler();
        assert!(matches!(written, Written::Yes));
        counted.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn a_write_costs_the_same_whatever_the_namespace_holds() {
        use sqlx::{ConnectOptions, sqlite::SqliteConnectOptions};

        let (dir, store) = scratch().await;
        let mine = space(None, 100 << 20);
        let mut connection = SqliteConnectOptions::new().filename(dir.path().join("wharf.db")).connect().await.expect("a connection");
        let fill = |from: u32, to: u32, expires: &'static str| {
            let sql = format!(
                "WITH RECURSIVE n (n) AS (SELECT {from} UNION ALL SELECT n + 1 FROM n WHERE n < {to})
                 INSERT INTO kv (plugin, session, key, value, version, expires_at) SELECT 'p', '', 'fill/' || n, x'00', 1, {expires} FROM n"
            );
            store.writer.statement(sqlx::query(sqlx::AssertSqlSafe(sql)))
        };
        fill(1, 100, "NULL").await.expect("filled");
        let few = (steps(&mut connection, &mine, "new/1", b"1").await, steps(&mut connection, &mine, "new/1", b"22").await);
        fill(101, 50_000, "NULL").await.expect("filled");
        // Far in the future: none of them is looked at.
        fill(50_001, 80_000, "9000000000000").await.expect("filled");
        let many = (steps(&mut connection, &mine, "new/2", b"1").await, steps(&mut connection, &mine, "new/2", b"22").await);
        assert!(few.0 > 10, "{few:?}");
        assert!(many.0 <= few.0 + 20 && many.1 <= few.1 + 20, "{few:?} steps with 100 keys, {many:?} with 80,000");
        // And no statement of it walks through the namespace.
        for sql in [FIND, USED, SWEEP, WRITE, LIST] {
            let plan: Vec<(i64, i64, i64, String)> =
                sqlx::query_as(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"))).fetch_all(&mut connection).await.expect("a plan");
            let whole = |line: &str| line.starts_with("SCAN") || line.contains("TEMP B-TREE") || line.contains("(plugin=? AND session=?)");
            let walks: Vec<_> = plan.iter().map(|row| row.3.as_str()).filter(|line| whole(line) && !line.contains("kv_space")).collect();
            assert_eq!(walks, Vec::<&str>::new(), "{sql}");
        }
    }

    #[tokio::test]
    async fn the_sum_of_a_namespace_is_right_whatever_is_done_to_it() {
        let (_dir, store) = scratch().await;
        let mine = space(None, 40);
        let sum = async || {
            let sql = "SELECT (SELECT bytes FROM kv_space WHERE plugin = 'p' AND session = ''), \
                       (SELECT sum(length(CAST(key AS BLOB)) + length(value)) FROM kv WHERE plugin = 'p' AND session = '')";
            let (kept, counted): (i64, Option<i64>) =
                sqlx::query_as(sql).fetch_one(&mut *store.readers.get().await.expect("reader")).await.expect("read");
            assert_eq!(kept, counted.unwrap_or(0));
            kept
        };
        store.set(&mine, "ä", None, b"12345", None).await.expect("set");
        assert_eq!(sum().await, 7, "bytes, not characters");
        store.set(&mine, "ä", None, b"1", None).await.expect("set");
        assert_eq!(sum().await, 3);
        store.set(&mine, "gone", None, &[0; 30], Some(Duration::ZERO)).await.expect("set");
        assert_eq!(store.set(&mine, "big", None, &[0; 30], None).await, Ok(true), "what has expired takes no room");
        assert_eq!(sum().await, 36);
        assert_eq!(store.set(&mine, "more", None, &[0; 1], None).await, Err(KvError::QuotaExceeded));
        store.delete(&mine, "big").await.expect("deleted");
        store.delete(&mine, "big").await.expect("deleted");
        assert_eq!(sum().await, 3);
        assert_eq!(store.set(&mine, "big", None, &[0; 34], None).await, Ok(true), "exactly full");
    }

    #[tokio::test]
    async fn a_key_that_has_expired_is_not_there_for_a_write_either() {
        let (_dir, store) = scratch().await;
        let mine = space(None, 1 << 20);
        // More than one write sweeps away.
        for n in 0..40 {
            store.set(&mine, &format!("old/{n:02}"), None, b"x", Some(Duration::from_secs(60))).await.expect("set");
        }
        assert_eq!(store.read(&mine, "old/39").await.expect("read").map(|value| value.version), Some(1));
        store.writer.statement(sqlx::query("UPDATE kv SET expires_at = 1")).await.expect("a minute later");
        assert_eq!(store.set(&mine, "old/39", Some(Some(1)), b"y", None).await, Ok(false));
        assert_eq!(store.set(&mine, "old/39", Some(None), b"y", None).await, Ok(true));
        assert_eq!(store.get(&mine, "old/39").await, Ok(Some((b"y".to_vec(), 1))));
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
