//! Versions, quotas and expiry of values, and the cost of a write.

use super::*;
use crate::store::scratch;

fn space(session: Option<&str>, quota: u64) -> KvSpace {
    KvSpace {
        plugin: "p".into(),
        session: session.map(|s| s.parse().expect("id")),
        quota,
    }
}

#[tokio::test]
async fn values_have_versions_quotas_and_an_end() {
    let (_dir, store) = scratch().await;
    let mine = space(Some("a"), 100);
    assert_eq!(store.get(&mine, "k").await, Ok(None));
    assert_eq!(
        store.set(&mine, "k", Some(None), b"1", None).await,
        Ok(true)
    );
    assert_eq!(
        store.set(&mine, "k", Some(None), b"2", None).await,
        Ok(false),
        "it exists"
    );
    assert_eq!(store.get(&mine, "k").await, Ok(Some((b"1".to_vec(), 1))));
    assert_eq!(
        store.set(&mine, "k", Some(Some(1)), b"2", None).await,
        Ok(true)
    );
    assert_eq!(
        store.set(&mine, "k", Some(Some(1)), b"3", None).await,
        Ok(false),
        "another version"
    );
    assert_eq!(
        store.get(&space(None, 100), "k").await,
        Ok(None),
        "namespaces are apart"
    );
    assert_eq!(
        store.set(&mine, "big", None, &[0; 99], None).await,
        Err(KvError::QuotaExceeded)
    );
    assert_eq!(
        store.set(&mine, &"k".repeat(513), None, b"", None).await,
        Err(KvError::TooLarge)
    );
    assert_eq!(
        store
            .set(&mine, "gone", None, b"x", Some(Duration::ZERO))
            .await,
        Ok(true)
    );
    assert_eq!(store.get(&mine, "gone").await, Ok(None));
}

/// Number of steps of SQLite's virtual machine that a write takes.
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
    connection
        .lock_handle()
        .await
        .expect("the connection")
        .set_progress_handler(1, count);
    let written = set(connection, space, key, None, value.to_vec(), None)
        .await
        .expect("set");
    connection
        .lock_handle()
        .await
        .expect("the connection")
        .remove_progress_handler();
    assert!(matches!(written, Written::Yes));
    counted.load(Ordering::Relaxed)
}

#[tokio::test]
async fn a_write_costs_the_same_whatever_the_namespace_holds() {
    use sqlx::{ConnectOptions, sqlite::SqliteConnectOptions};

    let (dir, store) = scratch().await;
    let mine = space(None, 100 << 20);
    let mut connection = SqliteConnectOptions::new()
        .filename(dir.path().join("wharf.db"))
        .connect()
        .await
        .expect("a connection");
    let fill = |from: u32, to: u32, expires: &'static str| {
        let sql = format!(
            "WITH RECURSIVE n (n) AS (SELECT {from} UNION ALL SELECT n + 1 FROM n WHERE n < {to})
             INSERT INTO kv (plugin, session, key, value, version, expires_at) SELECT 'p', '', 'fill/' || n, x'00', 1, {expires} FROM n"
        );
        store
            .writer
            .statement(sqlx::query(sqlx::AssertSqlSafe(sql)))
    };
    fill(1, 100, "NULL").await.expect("filled");
    let few = (
        steps(&mut connection, &mine, "new/1", b"1").await,
        steps(&mut connection, &mine, "new/1", b"22").await,
    );
    fill(101, 50_000, "NULL").await.expect("filled");
    // They expire far in the future, so none of them is examined.
    fill(50_001, 80_000, "9000000000000").await.expect("filled");
    let many = (
        steps(&mut connection, &mine, "new/2", b"1").await,
        steps(&mut connection, &mine, "new/2", b"22").await,
    );
    assert!(few.0 > 10, "{few:?}");
    assert!(
        many.0 <= few.0 + 20 && many.1 <= few.1 + 20,
        "{few:?} steps with 100 keys, {many:?} with 80,000"
    );
    // No statement of a write may scan the namespace.
    for sql in [FIND, USED, SWEEP, DELETE, WRITE, LIST] {
        let plan: Vec<(i64, i64, i64, String)> =
            sqlx::query_as(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")))
                .fetch_all(&mut connection)
                .await
                .expect("a plan");
        let whole = |line: &str| {
            line.starts_with("SCAN")
                || line.contains("TEMP B-TREE")
                || line.contains("(plugin=? AND session=?)")
        };
        let walks: Vec<_> = plan
            .iter()
            .map(|row| row.3.as_str())
            .filter(|line| whole(line) && !line.contains("kv_space"))
            .collect();
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
        let (kept, counted): (i64, Option<i64>) = sqlx::query_as(sql)
            .fetch_one(&mut *store.readers.get().await.expect("reader"))
            .await
            .expect("read");
        assert_eq!(kept, counted.unwrap_or(0));
        kept
    };
    store
        .set(&mine, "ä", None, b"12345", None)
        .await
        .expect("set");
    assert_eq!(sum().await, 7, "bytes, not characters");
    store.set(&mine, "ä", None, b"1", None).await.expect("set");
    assert_eq!(sum().await, 3);
    store
        .set(&mine, "gone", None, &[0; 30], Some(Duration::ZERO))
        .await
        .expect("set");
    assert_eq!(
        store.set(&mine, "big", None, &[0; 30], None).await,
        Ok(true),
        "what has expired takes no room"
    );
    assert_eq!(sum().await, 36);
    assert_eq!(
        store.set(&mine, "more", None, &[0; 1], None).await,
        Err(KvError::QuotaExceeded)
    );
    store.delete(&mine, "big").await.expect("deleted");
    store.delete(&mine, "big").await.expect("deleted");
    assert_eq!(sum().await, 3);
    assert_eq!(
        store.set(&mine, "big", None, &[0; 34], None).await,
        Ok(true),
        "exactly full"
    );
}

#[tokio::test]
async fn a_key_that_has_expired_is_not_there_for_a_write_either() {
    let (_dir, store) = scratch().await;
    let mine = space(None, 1 << 20);
    // More keys than one write deletes.
    for n in 0..40 {
        store
            .set(
                &mine,
                &format!("old/{n:02}"),
                None,
                b"x",
                Some(Duration::from_secs(60)),
            )
            .await
            .expect("set");
    }
    assert_eq!(
        store
            .read(&mine, "old/39")
            .await
            .expect("read")
            .map(|value| value.version),
        Some(40)
    );
    store
        .writer
        .statement(sqlx::query("UPDATE kv SET expires_at = 1"))
        .await
        .expect("a minute later");
    assert_eq!(
        store.set(&mine, "old/39", Some(Some(40)), b"y", None).await,
        Ok(false)
    );
    assert_eq!(
        store.set(&mine, "old/39", Some(None), b"y", None).await,
        Ok(true)
    );
    assert_eq!(
        store.get(&mine, "old/39").await,
        Ok(Some((b"y".to_vec(), 41)))
    );
}

#[tokio::test]
async fn a_key_that_has_expired_leaves_its_room_only_once() {
    let (_dir, store) = scratch().await;
    let mine = space(None, 1 << 20);
    // The key is the last of those that expire, so the first sweep of a write does not reach it.
    for n in 0..=SWEPT {
        let key = format!("old/{n:02}");
        store
            .set(&mine, &key, None, b"x", Some(Duration::from_secs(60)))
            .await
            .expect("set");
    }
    store
        .set(&mine, "big", None, &[0; 50], Some(Duration::from_secs(60)))
        .await
        .expect("set");
    store
        .set(&mine, "stays", None, &[0; 45], None)
        .await
        .expect("set");
    store
        .writer
        .statement(sqlx::query(
            "UPDATE kv SET expires_at = iif(key = 'big', 2, 1) WHERE expires_at IS NOT NULL",
        ))
        .await
        .expect("a minute later");
    let small = space(None, 100);
    // With "stays", these are more than 100 bytes.
    assert_eq!(
        store.set(&small, "big", None, &[0; 60], None).await,
        Err(KvError::QuotaExceeded)
    );
    assert_eq!(
        store.set(&small, "big", None, &[0; 47], None).await,
        Ok(true),
        "exactly full"
    );
}

#[tokio::test]
async fn no_version_comes_back_after_a_key_was_deleted_or_has_expired() {
    let (_dir, store) = scratch().await;
    let mine = space(None, 1000);
    let write = async |ttl| {
        assert_eq!(store.set(&mine, "k", None, b"x", ttl).await, Ok(true));
        let value = store.read(&mine, "k").await.expect("read").expect("there");
        value.version
    };
    let mut seen = vec![write(None).await];
    store.delete(&mine, "k").await.expect("deleted");
    seen.push(write(Some(Duration::ZERO)).await);
    seen.push(write(None).await);
    store.delete(&mine, "k").await.expect("deleted");
    assert_eq!(store.set(&mine, "other", None, b"x", None).await, Ok(true));
    store.delete(&mine, "other").await.expect("deleted");
    seen.push(write(None).await);
    assert!(
        seen.windows(2).all(|pair| pair[0] < pair[1]),
        "each write has a new version: {seen:?}"
    );
    for old in &seen[..3] {
        assert_eq!(
            store.set(&mine, "k", Some(Some(*old)), b"y", None).await,
            Ok(false),
            "{old}"
        );
    }
}

#[tokio::test]
async fn versions_go_on_above_those_of_an_older_gateway() {
    let dir = tempfile::tempdir().expect("tempdir");
    let path = dir.path().join("wharf.db");
    let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}?mode=rwc", path.display()))
        .await
        .expect("made");
    let mut older = sqlx::migrate!("src/store/migrations");
    older.migrations = older
        .migrations
        .iter()
        .filter(|step| step.version <= 14)
        .cloned()
        .collect();
    older.run(&pool).await.expect("the older tables");
    sqlx::query("INSERT INTO kv (plugin, session, key, value, version) VALUES ('p', '', 'a', x'00', 7), ('p', '', 'b', x'00', 3), ('q', '', 'a', x'00', 2)")
        .execute(&pool)
        .await
        .expect("inserted");
    pool.close().await;

    let store = Store::open(&path).await.expect("upgraded");
    let mine = space(None, 1000);
    assert_eq!(
        store.set(&mine, "b", Some(Some(3)), b"1", None).await,
        Ok(true)
    );
    assert_eq!(store.get(&mine, "b").await, Ok(Some((b"1".to_vec(), 8))));
    assert_eq!(store.set(&mine, "new", None, b"", None).await, Ok(true));
    assert_eq!(store.get(&mine, "new").await, Ok(Some((vec![], 9))));
    store.close().await;
}

#[tokio::test]
async fn a_write_that_nobody_waits_for_any_more_leaves_its_key_to_the_cache() {
    let (_dir, store) = scratch().await;
    let mine = space(None, 1000);
    let is_cached = |key: &str| matches!(store.recent.find(&place(&mine, key)), Found::Kept(_));
    // As a plugin's time-out does: the calls are dropped while the writer has their work.
    for key in ["set", "deleted"] {
        assert_eq!(store.set(&mine, key, None, b"old", None).await, Ok(true));
    }
    {
        let mut set = store.set(&mine, "set", None, b"new", None);
        let mut delete = store.delete(&mine, "deleted");
        assert!(futures_util::poll!(&mut set).is_pending());
        assert!(futures_util::poll!(&mut delete).is_pending());
    }
    // The writer works in order, so it has done both when it has done this.
    assert_eq!(store.set(&mine, "later", None, b"", None).await, Ok(true));
    for (key, value) in [("set", Some(&b"new"[..])), ("deleted", None)] {
        // A read is cached as soon as the write has heard that it is done.
        for _ in 0..100 {
            let read = store.get(&mine, key).await.expect("read");
            assert_eq!(read.as_ref().map(|(value, _)| &value[..]), value);
            if is_cached(key) {
                break;
            }
            tokio::task::yield_now().await;
        }
        assert!(is_cached(key), "{key}");
    }
}

#[tokio::test]
async fn a_counter_raised_by_many_at_once_loses_nothing() {
    let (_dir, store) = scratch().await;
    let mine = space(None, 1000);
    let raise = async || {
        loop {
            let (value, version) = store
                .get(&mine, "n")
                .await
                .expect("read")
                .map_or((0, None), |(v, version)| (v[0], Some(version)));
            if store
                .set(&mine, "n", Some(version), &[value + 1], None)
                .await
                .expect("set")
            {
                return;
            }
        }
    };
    futures_util::future::join_all((0..20).map(|_| raise())).await;
    assert_eq!(
        store.get(&mine, "n").await.expect("read").expect("there").0,
        [20]
    );
}

#[tokio::test]
async fn keys_are_listed_in_byte_order_by_prefix() {
    let (_dir, store) = scratch().await;
    let mine = space(None, 1000);
    for key in ["b/2", "a%", "b/1", "B/3", "b/10"] {
        store.set(&mine, key, None, b"", None).await.expect("set");
    }
    assert_eq!(
        store.list(&mine, "b/", None, 2).await.expect("list"),
        ["b/1", "b/10"]
    );
    assert_eq!(
        store
            .list(&mine, "b/", Some("b/10"), 9)
            .await
            .expect("list"),
        ["b/2"]
    );
    assert_eq!(
        store.list(&mine, "a%", None, 9).await.expect("list"),
        ["a%"]
    );
    store.delete(&mine, "b/2").await.expect("deleted");
    assert_eq!(
        store.list(&mine, "b/2", None, 9).await.expect("list"),
        Vec::<String>::new()
    );
}
