mod accepting;
mod queue;

use super::*;
use crate::{
    model::{Address, Content},
    store::{Idempotency, Store, scratch},
};

fn client() -> ClientId {
    "test".parse().expect("id")
}

fn row(name: &str) -> NewRow {
    let number = "4915123456789"
        .parse::<crate::model::PhoneNumber>()
        .expect("number");
    NewRow {
        id: OutboxId(name.into()),
        client: client(),
        message_id: MessageId::from_random(rand::random()),
        message: OutboundMessage {
            to: Address::of_number(&number),
            content: Content::text("it's \"quoted\" \u{1F980}\0"),
            reply_to: None,
            send_at: None,
            metadata: vec![],
        },
        recipient: number.into(),
        priority: Priority::Interactive,
        expires_at: None,
        idempotency: None,
        fast_path: None,
        history: vec![
            Step::new("accepted", serde_json::json!({})),
            Step::new("verdict", serde_json::json!({"plugin": "p"})),
        ],
    }
}

fn keyed(name: &str, key: &str, fingerprint: &str) -> NewRow {
    let key = Idempotency {
        scope: "api".into(),
        key: key.into(),
        fingerprint: fingerprint.into(),
        written: None,
        earlier: vec![],
    };
    NewRow {
        idempotency: Some(key),
        ..row(name)
    }
}

#[tokio::test]
async fn pages_go_back_to_the_first_row_and_filters_hold() {
    let (_dir, store) = scratch().await;
    for number in 0..25 {
        let client: ClientId = if number % 2 == 0 { "even" } else { "odd" }
            .parse()
            .expect("id");
        store
            .accept(NewRow {
                client,
                ..row(&format!("out_{number}"))
            })
            .await
            .expect("stored");
    }
    let mut filter = Filter {
        client: Some("even".parse().expect("id")),
        limit: 5,
        ..Filter::default()
    };
    let mut seen = Vec::new();
    loop {
        let page = store.messages(&filter).await.expect("listed");
        seen.extend(page.rows.iter().map(|row| row.id.0.clone()));
        filter.before = page.next;
        if page.next.is_none() {
            break;
        }
    }
    assert_eq!(
        seen,
        (0..25)
            .rev()
            .filter(|number| number % 2 == 0)
            .map(|number| format!("out_{number}"))
            .collect::<Vec<_>>()
    );
    let none = Filter {
        state: Some(RowState::Sent),
        limit: 5,
        ..Filter::default()
    };
    assert!(store.messages(&none).await.expect("listed").rows.is_empty());
    let later = Filter {
        since: Some(Timestamp::now().plus_millis(1000)),
        limit: 5,
        ..Filter::default()
    };
    assert!(
        store
            .messages(&later)
            .await
            .expect("listed")
            .rows
            .is_empty()
    );
}

#[tokio::test]
async fn a_message_is_found_by_its_whatsapp_id_whatever_it_waits_for() {
    let (_dir, store) = scratch().await;
    for set in [
        "held = 0",
        "held = 1",
        "held = 2",
        "held = 3",
        "state = 'sent', attempt = 1",
    ] {
        let new = row(set);
        let id = new.message_id.clone();
        store.accept(new).await.expect("stored");
        let sql = sqlx::AssertSqlSafe(format!("UPDATE outbox SET {set} WHERE message_id = '{id}'"));
        store.writer.statement(sqlx::query(sql)).await.expect("set");
        for words in [id.0.clone(), format!("true_4915123456789@c.us_{id}")] {
            let found = store.find_messages(&words, "api").await.expect("found");
            assert_eq!(found.len(), 1, "{words}: {set}");
        }
    }
}

#[tokio::test]
async fn old_ends_are_forgotten_with_their_history_and_nothing_else_is() {
    let (_dir, store) = scratch().await;
    for row in [
        row("ended"),
        keyed("kept by its key", "k", "f"),
        row("waits"),
    ] {
        store.accept(row).await.expect("stored");
    }
    sqlx::query("UPDATE outbox SET state = 'sent' WHERE id <> 'waits'")
        .execute(&mut *store.readers.get().await.expect("reader"))
        .await
        .expect("updated");
    let future = Timestamp::now().plus_millis(1000);
    store
        .prune_outbox(future, Timestamp(0))
        .await
        .expect("pruned");
    let left = async || {
        store
            .messages(&Filter {
                limit: 9,
                ..Filter::default()
            })
            .await
            .expect("listed")
            .rows
    };
    assert_eq!(
        left()
            .await
            .iter()
            .map(|row| row.id.0.as_str())
            .collect::<Vec<_>>(),
        ["waits", "kept by its key"]
    );
    store.prune_outbox(future, future).await.expect("pruned");
    assert_eq!(left().await.len(), 1);
    let steps: i64 = sqlx::query_scalar("SELECT count(*) FROM message_history")
        .fetch_one(&mut *store.readers.get().await.expect("reader"))
        .await
        .expect("counted");
    assert_eq!(steps, 1, "steps of one commit are one row");
}

#[tokio::test]
async fn sends_of_an_older_gateway_are_kept_by_the_upgrade() {
    let dir = tempfile::tempdir().expect("tempdir");
    let path = dir.path().join("wharf.db");
    let mut older = sqlx::migrate!("src/store/migrations");
    older.migrations = older
        .migrations
        .iter()
        .filter(|step| step.version <= 3)
        .cloned()
        .collect();
    let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}?mode=rwc", path.display()))
        .await
        .expect("made");
    older.run(&pool).await.expect("the older tables");
    let message = serde_json::to_string(&row("x").message).expect("json");
    for (seq, id, state, attempt) in [(7, "out_waits", "queued", 0), (9, "out_sent", "sent", 1)] {
        let sql = "INSERT INTO outbox (seq, id, client, message_id, number, message, state, attempt, not_before, created_at, updated_at)
                   VALUES (?1, ?2, 'test', '3EB0' || ?1, '4915123456789', ?3, ?4, ?5, 5, 5, 5)";
        sqlx::query(sql)
            .bind(seq)
            .bind(id)
            .bind(&message)
            .bind(state)
            .bind(attempt)
            .execute(&pool)
            .await
            .expect("inserted");
    }
    let sql = "INSERT INTO idempotency (scope, key, fingerprint, outbox_id, created_at) VALUES ('api', 'k', 'as before', 'out_sent', 5)";
    sqlx::query(sql).execute(&pool).await.expect("inserted");
    pool.close().await;

    let store = Store::open(&path).await.expect("upgraded");
    assert_eq!(
        store
            .next_queued(&client(), None, 9)
            .await
            .expect("read")
            .iter()
            .map(|row| row.seq)
            .collect::<Vec<_>>(),
        [7]
    );
    let sent = store
        .outbox_by_message(&client(), &MessageId("3EB09".into()))
        .await
        .expect("read")
        .expect("there");
    assert_eq!(
        (sent.id.0.as_str(), sent.state),
        ("out_sent", RowState::Sent)
    );
    store.accept(row("out_new")).await.expect("stored");
    assert_eq!(
        store
            .outbox_row(&OutboxId("out_new".into()))
            .await
            .expect("read")
            .expect("there")
            .seq,
        10,
        "no place is given twice"
    );
    let number = "4915123456789"
        .parse::<crate::model::PhoneNumber>()
        .expect("number");
    assert_eq!(
        store.knows(&client(), &number.into()).await,
        Ok(true),
        "who had a message is no stranger"
    );
    let key = |earlier: &str| Idempotency {
        earlier: vec![earlier.into()],
        written: Some("w".into()),
        ..Idempotency::own("api", "k".into())
    };
    assert_eq!(
        store.known_send(&key("as before")).await,
        Ok(Some(Accept::Known(OutboxId("out_sent".into())))),
        "its key is known"
    );
    assert_eq!(
        store.known_send(&key("another")).await,
        Ok(Some(Accept::Reused))
    );
}
