//! A database of an earlier version, as its gateway wrote it, opened by this one.

use sqlx::{AssertSqlSafe, ConnectOptions, Connection, sqlite::SqliteConnectOptions};

use super::*;
use crate::model::{ClientId, Content, Event, Recipient};

async fn of_version_9(dir: &Path) -> std::path::PathBuf {
    let path = dir.join("wharf.db");
    let mut connection = SqliteConnectOptions::new()
        .filename(&path)
        .create_if_missing(true)
        .connect()
        .await
        .expect("made");
    sqlx::raw_sql(include_str!("../../../tests/databases/version-9.sql"))
        .execute(&mut connection)
        .await
        .expect("filled");
    connection.close().await.expect("closed");
    path
}

async fn count(store: &Store, sql: &str) -> i64 {
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
        .fetch_one(&mut *store.readers.get().await.expect("reader"))
        .await
        .expect("counted")
}

#[tokio::test]
async fn a_database_of_version_9_is_carried_over_whole() {
    let dir = tempfile::tempdir().expect("tempdir");
    let path = of_version_9(dir.path()).await;
    let store = Store::open(&path).await.expect("upgraded");
    assert!(dir.path().join("wharf.db.before-0010").exists());
    let client: ClientId = "default".parse().expect("id");

    let listed = store
        .messages(&Filter {
            limit: 100,
            ..Filter::default()
        })
        .await
        .expect("listed")
        .rows;
    assert_eq!(listed.len(), 15);
    assert!(
        listed
            .iter()
            .all(|row| row.recipient.number().is_some() && row.queue == row.recipient)
    );
    let waits = listed
        .iter()
        .find(|row| row.state == RowState::Queued && row.message.send_at.is_some())
        .expect("one waits for its time");
    assert_eq!(waits.recipient.to_string(), "4915123456789");
    for row in &listed {
        assert!(
            !store.history(row.seq).await.expect("history").is_empty(),
            "{}",
            row.id
        );
    }

    let said = |row: &&OutboxRow| matches!(&row.message.content, Content::Text(text) if !text.body.is_empty());
    assert!(
        listed.iter().all(|row| said(&row)),
        "rows without a version of their content are read"
    );
    assert!(
        listed
            .iter()
            .any(|row| row.message.content == Content::text("kept"))
    );

    let (number, lid): (Recipient, Recipient) = (
        "4915123456789".parse().expect("number"),
        "395380291527867@lid".parse().expect("lid"),
    );
    assert_eq!(
        store
            .known_address(&client, &lid)
            .await
            .expect("read")
            .number()
            .map(Recipient::Number),
        Some(number.clone())
    );
    for known in [&number, &lid] {
        assert_eq!(store.knows(&client, known).await, Ok(true), "{known}");
        let found = store
            .messages(&Filter {
                to: Some(known.clone()),
                limit: 100,
                ..Filter::default()
            })
            .await
            .expect("found");
        assert_eq!(
            found.rows.len(),
            listed.iter().filter(|row| row.recipient == number).count(),
            "{known}"
        );
    }
    assert_eq!(
        store
            .knows(&client, &"4915100000002".parse().expect("number"))
            .await,
        Ok(false)
    );

    let id: String = sqlx::query_scalar("SELECT id FROM bulk")
        .fetch_one(&mut *store.readers.get().await.expect("reader"))
        .await
        .expect("read");
    let order = store.bulk(&id).await.expect("read").expect("there");
    assert_eq!(
        store
            .bulk_recipients(order.seq, None, 0, 100)
            .await
            .expect("read")
            .len(),
        4
    );
    assert_eq!(count(&store, "SELECT count(*) FROM idempotency").await, 4);
    let events = store.events_after(0, 100).await.expect("events");
    assert_eq!(events.len(), 8);
    let failed = |body: &'static str| move |event: &StoredEvent| matches!(&event.envelope.event, Event::MessageFailed { message, .. } if message.content.body() == Some(body));
    for body in ["seed", "bulk 1", "bulk 2"] {
        assert!(events.iter().any(failed(body)), "{body}");
    }
    assert_eq!(count(&store, "SELECT count(*) FROM delivery").await, 7);
    let newest = store.session(&client).await.expect("read").expect("there");
    assert!(newest.linked);
    store.close().await;
}
