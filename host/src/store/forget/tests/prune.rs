//! Old messages and events are deleted completely, and finding them is cheap.

use super::*;
use crate::store::{Filter, assert_indexed};

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
async fn what_pacing_has_counted_goes_in_small_steps() {
    let (_dir, store) = scratch().await;
    run(
        &store,
        "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 250)
         INSERT INTO paced (client, at, message, cold) SELECT 'shop-' || n % 3, n, n, n % 2 FROM n",
    )
    .await;
    let left = async || count(&store, "SELECT count(*) FROM paced").await;
    assert_eq!(store.prune_counts(Timestamp(241)).await, Ok(true));
    assert_eq!(left().await, 250 - i64::from(STEP));
    store.prune_paced(Timestamp(241)).await.expect("pruned");
    assert_eq!(left().await, 10);
    assert_eq!(store.prune_counts(Timestamp(241)).await, Ok(false));
}

#[tokio::test]
async fn nothing_that_is_done_every_minute_looks_at_every_row() {
    let (_dir, store) = scratch().await;
    for (sql, table, index) in [
        (outbox::REDACT, "outbox", "outbox_done"),
        (outbox::OVER, "outbox", "outbox_done"),
        (outbox::PRUNE_PACED, "paced", "paced_age"),
        (outbox::PRUNE_KEYS, "idempotency", "idempotency_age"),
        (events::WITH_BODY, "event", "event_body"),
        (events::PRUNE_INBOUND, "inbound", "inbound_age"),
        (bulk::WITH_TEXT, "bulk", "bulk_body"),
    ] {
        assert_indexed(&store, sql, table, &[index]).await;
    }
}
