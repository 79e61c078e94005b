//! What happens to a batch when something in it fails.

use futures_util::future::BoxFuture;
use sqlx::{ConnectOptions, SqliteConnection, sqlite::SqliteConnectOptions};
use tokio::sync::oneshot;

use super::*;
use crate::store::scratch;

#[tokio::test]
async fn a_full_disk_is_named_and_writing_goes_on_when_there_is_room() {
    let (_dir, store) = scratch().await;
    let limit = async |connection: &mut SqliteConnection| {
        // The limit belongs to the connection, and a connection is not used again after a failure.
        sqlx::query("PRAGMA max_page_count = 1")
            .execute(connection)
            .await?;
        Ok(())
    };
    store
        .writer
        .write(move |connection| Box::pin(async move { limit(connection).await }))
        .await
        .expect("limited");
    let large = || {
        store.writer.write(|connection| {
            Box::pin(async move {
                let sql = "INSERT INTO kv (plugin, session, key, value, version) VALUES ('p', 's', hex(randomblob(8)), randomblob(100000), 1)";
                sqlx::query(sql).execute(connection).await?;
                Ok(())
            })
        })
    };
    let results = futures_util::future::join_all([large(), large(), large()]).await;
    assert_eq!(results[0], Err(StoreError::Full));
    assert!(results.iter().all(|result| !matches!(result, Err(StoreError::Database(reason)) if reason.contains("closed"))), "{results:?}");
    assert_eq!(large().await, Ok(()));
}

/// Makes the requests while the writer is busy, so that they form one batch.
async fn together<T>(store: &crate::store::Store, all: impl Future<Output = T>) -> T {
    let ((begun, is_begun), (end, ended)) = (oneshot::channel(), oneshot::channel());
    let busy = store.writer.write(move |_| {
        Box::pin(async move {
            let _ = begun.send(());
            ended.await.map_err(|_| StoreError::closed())
        })
    });
    let asked = async {
        is_begun.await.expect("begun");
        let release = async { end.send(()).expect("busy") };
        tokio::join!(all, release).0
    };
    let (busy, results) = tokio::join!(busy, asked);
    assert_eq!(busy, Ok(()));
    results
}

fn insert(
    store: &crate::store::Store,
    key: &'static str,
) -> impl Future<Output = Result<u64, StoreError>> {
    let sql = "INSERT INTO kv (plugin, session, key, value, version) VALUES ('p', 's', ?, x'', 1)";
    let writer = store.writer.clone();
    async move { writer.statement(sqlx::query(sql).bind(key)).await }
}

#[tokio::test]
async fn a_statement_that_fails_takes_no_neighbour_with_it() {
    let (_dir, store) = scratch().await;
    assert_eq!(insert(&store, "alone").await, Ok(1));
    let all = futures_util::future::join_all(
        ["before", "alone", "behind"].map(|key| insert(&store, key)),
    );
    let results = together(&store, all).await;
    assert_eq!((&results[0], &results[2]), (&Ok(1), &Ok(1)));
    assert!(
        matches!(&results[1], Err(StoreError::Database(reason)) if reason.contains("UNIQUE")),
        "{results:?}"
    );
    assert_eq!(count(&store).await, 3);
    // The same if it is alone; the connection is kept.
    assert!(insert(&store, "alone").await.is_err());
    assert_eq!(insert(&store, "after").await, Ok(1));
}

#[tokio::test]
async fn a_script_that_fails_is_undone_whole_and_alone() {
    let (_dir, store) = scratch().await;
    let bad = store
        .writer
        .script(rows(&["one", "two", "one"]), Urgency::Now);
    let (before, bad, behind, script) = together(&store, async {
        tokio::join!(
            insert(&store, "before"),
            bad,
            insert(&store, "behind"),
            store.writer.script(rows(&["three"]), Urgency::Now)
        )
    })
    .await;
    assert!(
        matches!(&bad, Err(StoreError::Database(reason)) if reason.contains("UNIQUE")),
        "{bad:?}"
    );
    assert_eq!((before, behind, script), (Ok(1), Ok(1), Ok(())));
    assert_eq!(count(&store).await, 3);
}

#[tokio::test]
async fn work_that_panics_costs_its_batch_and_not_the_writer() {
    let (_dir, store) = scratch().await;
    let panics = store
        .writer
        .write(|_| -> BoxFuture<'_, Result<(), StoreError>> {
            Box::pin(async { panic!("of its own free will") })
        });
    let neighbour = insert(&store, "neighbour");
    let (panicked, neighbour) = together(&store, async { tokio::join!(panics, neighbour) }).await;
    assert_eq!(panicked, Err(StoreError::broken_off()));
    assert!(neighbour.is_err(), "told, not kept waiting");
    assert_eq!(insert(&store, "after").await, Ok(1));
    assert_eq!(count(&store).await, 1);
}

#[tokio::test]
async fn a_lock_that_another_program_holds_is_named_as_busy() {
    let (dir, store) = scratch().await;
    let options = SqliteConnectOptions::new().filename(dir.path().join("wharf.db"));
    let mut other = options.connect().await.expect("a connection");
    sqlx::query("BEGIN IMMEDIATE")
        .execute(&mut other)
        .await
        .expect("the lock");
    assert_eq!(insert(&store, "held up").await, Err(StoreError::Busy));
    sqlx::query("ROLLBACK")
        .execute(&mut other)
        .await
        .expect("given back");
    assert_eq!(insert(&store, "held up").await, Ok(1));
}

/// A script that stores one row per key.
fn rows(keys: &[&'static str]) -> Script {
    let mut script = Script::default();
    for key in keys {
        script.add(
            "INSERT INTO kv (plugin, session, key, value, version) VALUES ('p', 's', ?, x'', 1)",
        );
        script.bind(*key).expect("text");
    }
    script
}

async fn count(store: &crate::store::Store) -> i64 {
    let count = store.writer.write(|connection| {
        Box::pin(async move {
            Ok(sqlx::query_scalar("SELECT count(*) FROM kv")
                .fetch_one(connection)
                .await?)
        })
    });
    count.await.expect("counted")
}

#[tokio::test]
async fn what_can_wait_comes_along_before_what_cannot() {
    let (_dir, store) = scratch().await;
    let (along, soon) = (
        store
            .writer
            .script(rows(&["along"]), Urgency::FirstDeferrable),
        store.writer.script(rows(&["soon"]), Urgency::Deferrable),
    );
    let (along, soon, counted) = tokio::join!(along, soon, count(&store));
    assert_eq!((along, soon), (Ok(()), Ok(())));
    assert!(counted >= 1, "what waits to come along is done before");
    assert_eq!(count(&store).await, 2);
}

#[tokio::test]
async fn statements_that_belong_together_are_done_all_or_none() {
    let (_dir, store) = scratch().await;
    let failed = store
        .writer
        .script(rows(&["one", "two", "one"]), Urgency::Deferrable)
        .await;
    assert!(
        matches!(&failed, Err(StoreError::Database(reason)) if reason.contains("UNIQUE")),
        "{failed:?}"
    );
    assert_eq!(count(&store).await, 0);
    assert_eq!(
        store
            .writer
            .script(rows(&["one", "two"]), Urgency::Deferrable)
            .await,
        Ok(())
    );
    // A script that work leaves for the commit fails or succeeds with that work, whether it is
    // alone or among others.
    let leaves = |key| {
        store
            .writer
            .write_then(move |_| Box::pin(async move { Ok(((), rows(&[key]))) }))
    };
    assert!(leaves("one").await.is_err());
    assert_eq!(leaves("three").await, Ok(()));
    let (bad, good, other) = tokio::join!(leaves("two"), leaves("four"), leaves("five"));
    assert!(
        matches!(&bad, Err(StoreError::Database(reason)) if reason.contains("UNIQUE")),
        "{bad:?}"
    );
    assert_eq!(
        (good, other),
        (Ok(()), Ok(())),
        "its neighbours come to no harm"
    );
    assert_eq!(count(&store).await, 5);
}

#[tokio::test]
async fn a_new_connection_is_to_the_same_file_or_none() {
    let (dir, store) = scratch().await;
    let (path, away) = (dir.path().join("wharf.db"), dir.path().join("away.db"));
    let broken = store
        .writer
        .write(|_| Box::pin(async { Err::<(), _>(StoreError::Full) }))
        .await;
    assert_eq!(
        broken,
        Err(StoreError::Full),
        "the connection is thrown away"
    );
    std::fs::rename(&path, &away).expect("moved");
    std::fs::copy(&away, &path).expect("another file in its place");
    assert_eq!(
        insert(&store, "lost").await,
        Err(StoreError::Moved {
            path: path.display().to_string()
        })
    );
    std::fs::rename(&away, &path).expect("moved back");
    assert_eq!(insert(&store, "kept").await, Ok(1));
}

#[tokio::test]
async fn the_last_work_of_a_batch_takes_the_commit_with_it_and_fails_alone() {
    let (_dir, store) = scratch().await;
    let leaves = |keys: &'static [&'static str]| {
        store
            .writer
            .write_then(move |_| Box::pin(async move { Ok(((), rows(keys))) }))
    };
    let (before, last) = together(&store, async {
        tokio::join!(
            insert(&store, "before"),
            store.writer.script(rows(&["one", "one"]), Urgency::Now)
        )
    })
    .await;
    assert!(before == Ok(1) && last.is_err(), "{last:?}");
    let (before, last) = together(&store, async {
        tokio::join!(insert(&store, "before it"), leaves(&["two", "two"]))
    })
    .await;
    assert!(before == Ok(1) && last.is_err(), "{last:?}");
    let (before, last) = together(&store, async {
        tokio::join!(leaves(&["three"]), insert(&store, "three"))
    })
    .await;
    assert!(before == Ok(()) && last.is_err(), "{last:?}");
    let (first, last) = together(&store, async {
        tokio::join!(
            leaves(&["four"]),
            store.writer.script(rows(&["five", "six"]), Urgency::Now)
        )
    })
    .await;
    assert_eq!((first, last), (Ok(()), Ok(())));
    assert_eq!(count(&store).await, 6);
}

#[tokio::test]
async fn a_statement_says_how_many_rows_it_changed_alone_and_among_others() {
    let (_dir, store) = scratch().await;
    store
        .writer
        .script(rows(&["one", "two", "three"]), Urgency::Now)
        .await
        .expect("stored");
    let change = || {
        store
            .writer
            .statement(sqlx::query("UPDATE kv SET version = version + 1"))
    };
    assert_eq!(change().await, Ok(3));
    let (one, all, none) = together(&store, async {
        tokio::join!(
            insert(&store, "four"),
            change(),
            store
                .writer
                .statement(sqlx::query("DELETE FROM kv WHERE key = 'five'"))
        )
    })
    .await;
    assert_eq!((one, all, none), (Ok(1), Ok(4), Ok(0)));
    assert_eq!(
        store
            .writer
            .statement_deferrable(sqlx::query("DELETE FROM kv"))
            .await,
        Ok(4)
    );
}
