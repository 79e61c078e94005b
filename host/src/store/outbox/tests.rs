use futures_util::future::join_all;

use super::*;
use crate::{
    model::{Address, Content},
    store::{Idempotency, Store, scratch},
};

fn client() -> ClientId {
    "test".parse().expect("id")
}

fn row(name: &str) -> NewRow {
    let number = "4915123456789".parse::<crate::model::PhoneNumber>().expect("number");
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
        history: vec![Step::new("accepted", serde_json::json!({})), Step::new("verdict", serde_json::json!({"plugin": "p"}))],
    }
}

fn keyed(name: &str, key: &str, fingerprint: &str) -> NewRow {
    let key = Idempotency { scope: "api".into(), key: key.into(), fingerprint: fingerprint.into(), written: None, earlier: vec![] };
    NewRow { idempotency: Some(key), ..row(name) }
}

#[tokio::test]
async fn a_row_that_cannot_be_stored_does_not_take_its_neighbours_with_it() {
    let (_dir, store) = scratch().await;
    store.accept(row("out_7")).await.expect("stored");
    // The eighth of these has an id that is taken.
    let names: Vec<String> = (0..100).map(|number| format!("out_{number}")).collect();
    let answers = join_all(names.iter().map(|name| store.accept(row(name)))).await;
    for (name, answer) in names.iter().zip(&answers) {
        assert_eq!(answer.is_ok(), name != "out_7", "{name}: {answer:?}");
    }
    let listed = store.messages(&Filter { limit: 200, ..Filter::default() }).await.expect("listed");
    assert_eq!(listed.rows.len(), 100);
    assert_eq!(listed.next, None);
    for row in &listed.rows {
        assert_eq!(row.message.content.body(), Some("it's \"quoted\" \u{1F980}\0"));
        let history = store.history(row.seq).await.expect("history");
        assert_eq!(history.iter().map(|step| step.kind.as_str()).collect::<Vec<_>>(), ["accepted", "verdict"], "{}", row.id);
    }
}

#[tokio::test]
async fn a_request_is_known_by_what_it_means_or_by_how_it_was_written() {
    let (_dir, store) = scratch().await;
    let key = |fingerprint: &str, written: &str, earlier: &str| Idempotency {
        fingerprint: fingerprint.into(),
        written: Some(written.into()),
        earlier: vec![earlier.into()],
        ..Idempotency::own("api", "k".into())
    };
    let first = key("understood", "written", "earlier");
    assert_eq!(store.known_send(&first).await, Ok(None));
    store.accept(NewRow { idempotency: Some(first), ..row("out_1") }).await.expect("stored");
    for (again, known) in [
        (key("understood", "written", ""), true),
        (key("understood otherwise", "written", ""), true),
        (key("understood", "another spelling", ""), true),
        (key("understood otherwise", "another spelling", ""), false),
        (key("x", "y", "understood"), false),
    ] {
        let wanted = if known { Accept::Known(OutboxId("out_1".into())) } else { Accept::Reused };
        assert_eq!(store.known_send(&again).await, Ok(Some(wanted.clone())), "{again:?}");
        assert_eq!(store.accept(NewRow { idempotency: Some(again.clone()), ..row("out_2") }).await, Ok(wanted), "{again:?}");
    }
}

#[tokio::test]
async fn of_many_with_one_key_one_is_stored_and_the_others_are_told_of_it() {
    let (_dir, store) = scratch().await;
    let names: Vec<String> = (0..60).map(|number| format!("out_{number}")).collect();
    let wanted = names.iter().enumerate().map(|(number, name)| keyed(name, &format!("k{}", number % 3), if number < 57 { "same" } else { "other" }));
    let answers = join_all(wanted.map(|row| store.accept(row))).await;
    let new: Vec<&String> = names.iter().zip(&answers).filter(|(_, answer)| **answer == Ok(Accept::New)).map(|(name, _)| name).collect();
    assert_eq!(new.len(), 3);
    let known = answers.iter().filter(|answer| matches!(answer, Ok(Accept::Known(id)) if new.contains(&&id.0))).count();
    let reused = answers.iter().filter(|answer| **answer == Ok(Accept::Reused)).count();
    assert_eq!((known, reused), (54, 3));
    assert_eq!(store.outbox_depth().await, Ok(3));
    let found = store.find_messages("k0", "api").await.expect("found");
    assert_eq!(found.len(), 1);
    assert!(store.find_messages("k0", "another caller").await.expect("found").is_empty(), "keys of others are not seen");
    assert_eq!(store.find_messages(&format!("true_77@lid_{}", found[0].message_id), "").await.expect("found"), found);
}

#[tokio::test]
async fn more_writes_than_can_be_done_soon_are_refused_and_nothing_of_them_is_stored() {
    let (_dir, store) = scratch().await;
    let answers = join_all((0..6000).map(|number| store.accept(row(&format!("out_{number}"))))).await;
    let stored = answers.iter().filter(|answer| **answer == Ok(Accept::New)).count();
    let busy = answers.iter().filter(|answer| **answer == Err(StoreError::Busy)).count();
    assert_eq!(stored + busy, 6000);
    assert!(busy > 0, "the queue has no bound");
    assert_eq!(store.outbox_depth().await, Ok(i64::try_from(stored).expect("few")));
}

#[tokio::test]
async fn the_queue_has_interactive_ones_first_and_holds_those_whose_time_has_not_come() {
    let (_dir, store) = scratch().await;
    let later = Timestamp::now().plus_millis(3_600_000);
    let mut held = row("held");
    held.message.send_at = Some(later);
    for row in [
        NewRow { priority: Priority::Bulk, ..row("bulk 1") },
        held,
        row("first"),
        NewRow { priority: Priority::Bulk, ..row("bulk 2") },
        row("second"),
    ] {
        store.accept(row).await.expect("stored");
    }
    let names = async || {
        let (mut names, mut after) = (vec![], None);
        while let [next] = &store.next_queued(&client(), after, 1).await.expect("read")[..] {
            names.push(next.id.0.clone());
            after = Some((next.priority, next.seq));
        }
        names
    };
    assert_eq!(names().await, ["first", "second", "bulk 1", "bulk 2"]);
    assert_eq!(store.has_ripe(Timestamp::now()).await, Ok(false));
    assert_eq!(store.has_ripe(later).await, Ok(true));
    store.release(later).await.expect("released");
    assert_eq!(names().await, ["held", "first", "second", "bulk 1", "bulk 2"], "in the order of acceptance");
}

#[tokio::test]
async fn sends_without_an_outcome_are_counted_by_session_and_place() {
    let (_dir, store) = scratch().await;
    let other: ClientId = "other".parse().expect("id");
    for n in 0..10 {
        let row = row(&format!("out_{n}"));
        store.accept(if n == 9 { NewRow { client: other.clone(), ..row } } else { row }).await.expect("stored");
    }
    for (name, set) in [
        ("out_0", "held = 1"),
        ("out_1", "held = 2"),
        ("out_2", "held = 3"),
        ("out_3", "state = 'sending'"),
        ("out_4", "state = 'unknown'"),
        // These have ended, or cannot be read.
        ("out_5", "state = 'unknown', profile_gone = 1"),
        ("out_6", "state = 'sent'"),
        ("out_7", "held = 4"),
    ] {
        let sql = sqlx::AssertSqlSafe(format!("UPDATE outbox SET {set} WHERE id = '{name}'"));
        store.writer.statement(sqlx::query(sql)).await.expect("set");
    }
    let mut counts = store.queue_counts().await.expect("counted");
    counts.sort();
    let counts: Vec<(&str, &str, u64)> = counts.iter().map(|(client, place, n)| (client.as_str(), *place, *n)).collect();
    let of_test = [("held", 2), ("scheduled", 1), ("sending", 1), ("unknown", 1), ("waiting", 1)].map(|(place, n)| ("test", place, n));
    assert_eq!(counts, [&[("other", "waiting", 1)][..], &of_test].concat());
}

#[tokio::test]
async fn pages_go_back_to_the_first_row_and_filters_hold() {
    let (_dir, store) = scratch().await;
    for number in 0..25 {
        let client: ClientId = if number % 2 == 0 { "even" } else { "odd" }.parse().expect("id");
        store.accept(NewRow { client, ..row(&format!("out_{number}")) }).await.expect("stored");
    }
    let mut filter = Filter { client: Some("even".parse().expect("id")), limit: 5, ..Filter::default() };
    let mut seen = Vec::new();
    loop {
        let page = store.messages(&filter).await.expect("listed");
        seen.extend(page.rows.iter().map(|row| row.id.0.clone()));
        filter.before = page.next;
        if page.next.is_none() {
            break;
        }
    }
    assert_eq!(seen, (0..25).rev().filter(|number| number % 2 == 0).map(|number| format!("out_{number}")).collect::<Vec<_>>());
    let none = Filter { state: Some(RowState::Sent), limit: 5, ..Filter::default() };
    assert!(store.messages(&none).await.expect("listed").rows.is_empty());
    let later = Filter { since: Some(Timestamp::now().plus_millis(1000)), limit: 5, ..Filter::default() };
    assert!(store.messages(&later).await.expect("listed").rows.is_empty());
}

#[tokio::test]
async fn old_ends_are_forgotten_with_their_history_and_nothing_else_is() {
    let (_dir, store) = scratch().await;
    for row in [row("ended"), keyed("kept by its key", "k", "f"), row("waits")] {
        store.accept(row).await.expect("stored");
    }
    sqlx::query("UPDATE outbox SET state = 'sent' WHERE id <> 'waits'")
        .execute(&mut *store.readers.get().await.expect("reader"))
        .await
        .expect("updated");
    let future = Timestamp::now().plus_millis(1000);
    store.prune_outbox(future, Timestamp(0)).await.expect("pruned");
    let left = async || store.messages(&Filter { limit: 9, ..Filter::default() }).await.expect("listed").rows;
    assert_eq!(left().await.iter().map(|row| row.id.0.as_str()).collect::<Vec<_>>(), ["waits", "kept by its key"]);
    store.prune_outbox(future, future).await.expect("pruned");
    assert_eq!(left().await.len(), 1);
    let steps: i64 = sqlx::query_scalar("SELECT count(*) FROM message_history")
        .fetch_one(&mut *store.readers.get().await.expect("reader"))
        .await
        .expect("counted");
    assert_eq!(steps, 1, "steps of one commit are one row");
}

#[tokio::test]
async fn no_query_of_the_sender_looks_at_every_row() {
    let (_dir, store) = scratch().await;
    for (sql, index) in [
        (
            "SELECT * FROM outbox WHERE client = ? AND state = 'queued' AND held = 0 AND (priority, seq) > (?, ?) ORDER BY priority, seq LIMIT 9",
            "outbox_queue",
        ),
        ("SELECT 1 FROM outbox WHERE state = 'queued' AND held = 1 AND not_before <= ?", "outbox_held"),
        (
            "SELECT * FROM outbox WHERE state = 'queued' AND expires_at IS NOT NULL AND expires_at <= ? AND client = ? ORDER BY expires_at",
            "outbox_deadline",
        ),
        ("SELECT * FROM outbox WHERE client = ? AND state IN ('sending', 'unknown') ORDER BY seq", "outbox_begun"),
        ("SELECT * FROM outbox WHERE client = ? AND message_id = ? AND attempt > 0", "outbox_message"),
        ("SELECT 1 FROM outbox WHERE message_id = ?2 AND client = ?1 AND attempt > 0", "outbox_message"),
        ("SELECT at FROM paced WHERE client = ? ORDER BY at DESC LIMIT 1 OFFSET 9", "PRIMARY KEY"),
        ("SELECT at FROM paced WHERE client = ? AND cold = 1 ORDER BY at DESC LIMIT 1 OFFSET 9", "paced_cold"),
        ("SELECT seq FROM outbox WHERE redacted = 1 AND state IN ('sent', 'not_sent') AND updated_at < ?", "outbox_done"),
    ] {
        let plan = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")))
            .fetch_all(&mut *store.readers.get().await.expect("reader"))
            .await
            .expect("plan");
        let plan: Vec<String> = plan.iter().map(|row| row.get("detail")).collect();
        assert!(plan.iter().all(|line| line.contains(index) && !line.contains("TEMP")), "{sql}: {plan:?}");
    }
}

#[tokio::test]
async fn sends_of_an_older_gateway_are_kept_by_the_upgrade() {
    let dir = tempfile::tempdir().expect("tempdir");
    let path = dir.path().join("wharf.db");
    let mut older = sqlx::migrate!("src/store/migrations");
    older.migrations = older.migrations.iter().filter(|step| step.version <= 3).cloned().collect();
    let pool = sqlx::SqlitePool::connect(&format!("sqlite://{}?mode=rwc", path.display())).await.expect("made");
    older.run(&pool).await.expect("the older tables");
    let message = serde_json::to_string(&row("x").message).expect("json");
    for (seq, id, state, attempt) in [(7, "out_waits", "queued", 0), (9, "out_sent", "sent", 1)] {
        let sql = "INSERT INTO outbox (seq, id, client, message_id, number, message, state, attempt, not_before, created_at, updated_at)
                   VALUES (?1, ?2, 'test', '3EB0' || ?1, '4915123456789', ?3, ?4, ?5, 5, 5, 5)";
        sqlx::query(sql).bind(seq).bind(id).bind(&message).bind(state).bind(attempt).execute(&pool).await.expect("inserted");
    }
    let sql = "INSERT INTO idempotency (scope, key, fingerprint, outbox_id, created_at) VALUES ('api', 'k', 'as before', 'out_sent', 5)";
    sqlx::query(sql).execute(&pool).await.expect("inserted");
    pool.close().await;

    let store = Store::open(&path).await.expect("upgraded");
    assert_eq!(store.next_queued(&client(), None, 9).await.expect("read").iter().map(|row| row.seq).collect::<Vec<_>>(), [7]);
    let sent = store.outbox_by_message(&client(), &MessageId("3EB09".into())).await.expect("read").expect("there");
    assert_eq!((sent.id.0.as_str(), sent.state), ("out_sent", RowState::Sent));
    store.accept(row("out_new")).await.expect("stored");
    assert_eq!(store.outbox_row(&OutboxId("out_new".into())).await.expect("read").expect("there").seq, 10, "no place is given twice");
    let number = "4915123456789".parse::<crate::model::PhoneNumber>().expect("number");
    assert_eq!(store.knows(&client(), &number.into()).await, Ok(true), "who had a message is no stranger");
    let key = |earlier: &str| Idempotency { earlier: vec![earlier.into()], written: Some("w".into()), ..Idempotency::own("api", "k".into()) };
    assert_eq!(store.known_send(&key("as before")).await, Ok(Some(Accept::Known(OutboxId("out_sent".into())))), "its key is known");
    assert_eq!(store.known_send(&key("another")).await, Ok(Some(Accept::Reused)));
}
