//! Old messages and events are deleted completely, and finding them is cheap.

use sqlx::Row;

use super::*;
use crate::store::Filter;

#[tokio::test]
async fn what_nobody_can_be_asked_about_is_forgotten_in_its_time() {
    let (_dir, store) = scratch().await;
    let token = store.lease(&client()).await.expect("leased");
    for name in ["gone", "begun and gone", "asked"] {
        store.accept(row(name, "x")).await.expect("stored");
    }
    for name in ["gone", "begun and gone"] {
        begin(&store, token, name).await;
    }
    unknown(&store, "gone").await;
    store.profile_gone(&client()).await.expect("noted");
    begin(&store, token, "asked").await;
    unknown(&store, "asked").await;
    store
        .prune_outbox(future(), future())
        .await
        .expect("pruned");
    let left = store
        .messages(&Filter {
            limit: 9,
            ..Filter::default()
        })
        .await
        .expect("listed")
        .rows;
    assert_eq!(
        left.iter().map(|row| row.id.0.as_str()).collect::<Vec<_>>(),
        ["asked"]
    );
}

#[tokio::test]
async fn old_events_go_and_dead_letters_keep_theirs() {
    let (_dir, store) = scratch().await;
    for name in ["told", "pending-delivered", "pending-dead", "pending"] {
        receive(&store, name, "x").await;
    }
    route(&store).await;
    receive(&store, "not routed", "x").await;
    store
        .attempted(&[("evt_pending-delivered".to_owned(), Update::Delivered)])
        .await
        .expect("noted");
    store
        .attempted(&[("evt_pending-dead".to_owned(), Update::Dead("r".into()))])
        .await
        .expect("noted");
    assert_eq!(store.prune_events(Timestamp(1)).await, Ok(false));
    assert_eq!(store.prune_events(future()).await, Ok(true));
    let left = store.events_after(0, 9).await.expect("read");
    let left: Vec<&str> = left
        .iter()
        .map(|event| event.envelope.id.0.as_str())
        .collect();
    assert_eq!(left, ["evt_pending-dead", "evt_pending", "evt_not routed"]);
    assert_eq!(count(&store, "SELECT count(*) FROM delivery").await, 2);
}

#[tokio::test]
async fn nothing_that_is_done_every_minute_looks_at_every_row() {
    let (_dir, store) = scratch().await;
    for (sql, index) in [
        (
            "SELECT seq FROM outbox WHERE redacted = 0 AND (state IN ('sent', 'not_sent') OR (state IN ('sending', 'unknown') AND profile_gone = 1)) \
             AND updated_at < ? ORDER BY updated_at LIMIT ?",
            "outbox_done",
        ),
        (
            "SELECT at, seq FROM event WHERE body = 1 AND at < ? AND (at, seq) > (?, ?) ORDER BY at, seq LIMIT ?",
            "event_body",
        ),
        (
            "SELECT seq FROM bulk WHERE redacted = 0 AND created_at < ? LIMIT 1",
            "bulk_body",
        ),
        (
            "SELECT client, message_id FROM inbound WHERE at < ? LIMIT ?",
            "inbound_age",
        ),
    ] {
        let plan = sqlx::query(sqlx::AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}")))
            .fetch_all(&mut *store.readers.get().await.expect("reader"))
            .await
            .expect("plan");
        let plan: Vec<String> = plan.iter().map(|row| row.get("detail")).collect();
        assert!(
            plan.iter()
                .all(|line| line.contains(index) && !line.contains("TEMP")),
            "{sql}: {plan:?}"
        );
    }
}
