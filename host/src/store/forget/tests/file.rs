//! The database's files shrink, and contain nothing that was deleted.

use futures_util::future::join;
use sqlx::{Connection, SqliteConnection};

use super::*;
use crate::store::Accept;

#[tokio::test]
async fn the_file_gets_smaller_in_steps() {
    let (dir, store) = scratch().await;
    ended(&store, 1200, 8000).await;
    settle(&store).await;
    let size = || {
        fs::metadata(dir.path().join("wharf.db"))
            .expect("there")
            .len()
    };
    let before = size();
    assert!(before > 9 << 20, "{before}");
    assert_eq!(store.give_back().await, Ok(false), "every page is in use");
    store.redact(future()).await.expect("redacted");
    let empty = store.empty_pages().await.expect("read");
    // Runs in the same transaction as other work.
    let (given, accepted) = join(store.give_some_back(), store.accept(row("new", "x"))).await;
    assert_eq!((given, accepted), (Ok(()), Ok(Accept::New)));
    let step = empty - store.empty_pages().await.expect("read");
    assert!((1..=64).contains(&step), "{step} pages in a step");
    assert_eq!(store.give_back().await, Ok(true));
    settle(&store).await;
    assert!(size() < before / 3, "{} of {before} are left", size());
    assert_eq!(count(&store, "SELECT count(*) FROM outbox").await, 1201);
    let checked: String = sqlx::query_scalar("PRAGMA integrity_check")
        .fetch_one(&mut *store.readers.get().await.expect("reader"))
        .await
        .expect("checked");
    assert_eq!(checked, "ok");
}

#[tokio::test]
async fn the_log_is_emptied_when_nobody_reads_and_nobody_is_waited_for() {
    let (dir, store) = scratch().await;
    store.accept(row("out_1", "x")).await.expect("stored");
    let log = || {
        fs::metadata(dir.path().join("wharf.db-wal"))
            .expect("there")
            .len()
    };
    let mut reader = store.readers.get().await.expect("reader");
    let mut reader = reader.begin().await.expect("begun");
    sqlx::query("SELECT count(*) FROM outbox")
        .fetch_one(&mut *reader)
        .await
        .expect("read");
    store.accept(row("out_2", "x")).await.expect("stored");
    let asked = std::time::Instant::now();
    assert_eq!(store.empty_log().await, Ok(false));
    assert!(
        asked.elapsed() < crate::store::file::BUSY_TIMEOUT,
        "a reader was waited for"
    );
    assert!(log() > 0);
    reader.rollback().await.expect("ended");
    assert_eq!(store.empty_log().await, Ok(true));
    assert_eq!(log(), 0);
    assert_eq!(store.accept(row("out_3", "x")).await, Ok(Accept::New));
}

#[tokio::test]
async fn a_database_of_an_older_gateway_is_written_anew_once() {
    let dir = tempfile::tempdir().expect("tempdir");
    let path = dir.path().join("wharf.db");
    let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}?mode=rwc", path.display()))
        .await
        .expect("made");
    let mut older = sqlx::migrate!("src/store/migrations");
    older.migrations = older
        .migrations
        .iter()
        .filter(|step| step.version <= 7)
        .cloned()
        .collect();
    older.run(&pool).await.expect("the older tables");
    let text = serde_json::to_string(&message(&"body-old ".repeat(2000))).expect("json");
    for n in 0..300_i64 {
        let sql = "INSERT INTO outbox (id, client, message_id, number, state, attempt, created_at, updated_at, message)
                   VALUES ('out_' || ?1, 'test', '3EB0' || ?1, '4915123456789', 'sent', 1, 5, 5, ?2)";
        sqlx::query(sql)
            .bind(n)
            .bind(&text)
            .execute(&pool)
            .await
            .expect("inserted");
    }
    let sent = event(
        "sent",
        Event::MessageSent {
            id: MessageId("3EB00".into()),
            message: message("body-event"),
        },
    );
    let sent = serde_json::to_string(&sent).expect("json");
    sqlx::query("INSERT INTO event (id, at, envelope) VALUES ('evt_sent', 5, ?)")
        .bind(sent)
        .execute(&pool)
        .await
        .expect("inserted");
    let mode = async |connection: &mut SqliteConnection| {
        sqlx::query_scalar::<_, i64>("PRAGMA auto_vacuum")
            .fetch_one(connection)
            .await
            .expect("read")
    };
    assert_eq!(
        mode(&mut *pool.acquire().await.expect("connection")).await,
        0
    );
    pool.close().await;

    let store = Store::open(&path).await.expect("upgraded");
    assert_eq!(
        mode(&mut *store.readers.get().await.expect("reader")).await,
        2
    );
    assert_eq!(get(&store, "out_299").await.state, RowState::Sent);
    let size = || fs::metadata(&path).expect("there").len();
    let before = size();
    route(&store).await;
    assert_eq!(store.redact(future()).await, Ok(true));
    assert_eq!(store.give_back().await, Ok(true));
    settle(&store).await;
    assert_eq!(
        store.forget_copies(future()).await,
        Ok(true),
        "the copy from before the upgrade"
    );
    assert_eq!(
        bodies(dir.path()),
        Vec::<String>::new(),
        "also of rows from before"
    );
    assert!(size() < before / 2, "{} of {before}", size());
    store.close().await;
    let store = Store::open(&path).await.expect("opened");
    assert_eq!(
        mode(&mut *store.readers.get().await.expect("reader")).await,
        2
    );
}
