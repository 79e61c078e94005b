//! The queue of a session: its order, its counts, and that no query of the sender scans every row.

use super::*;
use crate::store::{assert_indexed, inbound, pacing, recipients};

#[tokio::test]
async fn the_queue_has_interactive_ones_first_and_holds_those_whose_time_has_not_come() {
    let (_dir, store) = scratch().await;
    let later = Timestamp::now().plus_millis(3_600_000);
    let mut held = row("held");
    held.message.send_at = Some(later);
    for row in [
        NewRow {
            priority: Priority::Bulk,
            ..row("bulk 1")
        },
        held,
        row("first"),
        NewRow {
            priority: Priority::Bulk,
            ..row("bulk 2")
        },
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
    assert_eq!(
        names().await,
        ["held", "first", "second", "bulk 1", "bulk 2"],
        "in the order of acceptance"
    );
}

#[tokio::test]
async fn sends_without_an_outcome_are_counted_by_session_and_place() {
    let (_dir, store) = scratch().await;
    let other: ClientId = "other".parse().expect("id");
    for n in 0..10 {
        let row = row(&format!("out_{n}"));
        store
            .accept(if n == 9 {
                NewRow {
                    client: other.clone(),
                    ..row
                }
            } else {
                row
            })
            .await
            .expect("stored");
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
    let counts: Vec<(&str, &str, u64)> = counts
        .iter()
        .map(|(client, place, n)| (client.as_str(), *place, *n))
        .collect();
    let of_test = [
        ("held", 2),
        ("scheduled", 1),
        ("sending", 1),
        ("unknown", 1),
        ("waiting", 1),
    ]
    .map(|(place, n)| ("test", place, n));
    assert_eq!(counts, [&[("other", "waiting", 1)][..], &of_test].concat());
}

#[tokio::test]
async fn no_query_of_the_sender_looks_at_every_row() {
    let (_dir, store) = scratch().await;
    for (sql, table, indexes) in [
        (find::NEXT_QUEUED, "outbox", &["outbox_queue"][..]),
        (find::RIPE, "outbox", &["outbox_held"]),
        (find::EXPIRED, "outbox", &["outbox_deadline"]),
        (find::IN_DOUBT, "outbox", &["outbox_begun"]),
        (find::BY_MESSAGE, "outbox", &["outbox_message"]),
        (inbound::UNTOLD, "outbox", &["outbox_message"]),
        (pacing::LOOK, "outbox", &["outbox_parked", "outbox_begun"]),
        (pacing::PACED, "paced", &["PRIMARY KEY"]),
        (pacing::PACED_COLD, "paced", &["paced_cold"]),
    ] {
        assert_indexed(&store, sql, table, indexes).await;
    }
    for (sql, index) in recipients::RENUMBER.into_iter().zip([
        "outbox_queue",
        // It has the scheduled messages of all sessions, by their time.
        "SCAN outbox USING INDEX outbox_held",
        "outbox_parked",
        "outbox_kept",
        "outbox_aside",
        "outbox_begun",
    ]) {
        assert_indexed(&store, sql, "outbox", &[index]).await;
    }
}

#[tokio::test]
async fn a_number_in_another_form_takes_along_all_its_messages_without_an_outcome() {
    let (_dir, store) = scratch().await;
    let states = [
        "held = 0",
        "held = 1",
        "held = 2",
        "held = 3",
        "held = 7",
        "state = 'sending'",
        "state = 'unknown'",
        "state = 'sending', held = 4",
        "state = 'sent'",
    ];
    for (n, set) in states.iter().enumerate() {
        let name = format!("out_{n}");
        store.accept(row(&name)).await.expect("stored");
        let sql = sqlx::AssertSqlSafe(format!("UPDATE outbox SET {set} WHERE id = '{name}'"));
        store.writer.statement(sqlx::query(sql)).await.expect("set");
    }
    store
        .accept(NewRow {
            client: "other".parse().expect("id"),
            ..row("out_other")
        })
        .await
        .expect("stored");
    let canonical = "4915123456780"
        .parse::<crate::model::PhoneNumber>()
        .expect("number");
    store
        .cache_address(
            &client(),
            &"4915123456789".parse().expect("number"),
            &Address::of_number(&canonical),
        )
        .await
        .expect("cached");
    let moved: Vec<bool> =
        sqlx::query_scalar("SELECT line = '4915123456780' FROM outbox ORDER BY seq")
            .fetch_all(&mut *store.readers.get().await.expect("reader"))
            .await
            .expect("read");
    assert_eq!(
        moved,
        [true, true, true, true, true, true, true, true, false, false]
    );
}
