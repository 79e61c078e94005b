//! Message contents are deleted; everything else about the messages stays.

use futures_util::future::join;

use super::*;
use crate::store::{Accept, NewBulk};

#[tokio::test]
async fn what_a_message_said_goes_and_what_is_known_of_it_stays() {
    let (dir, store) = scratch().await;
    let token = store.lease(&client()).await.expect("leased");
    for name in ["sent", "failed", "gone", "asked", "waits"] {
        store
            .accept(row(name, &format!("body-{name} \"\u{1F980}\0")))
            .await
            .expect("stored");
    }
    // Longer than a page of the database file.
    store
        .accept(row("long", &"body-long ".repeat(2000)))
        .await
        .expect("stored");
    for name in ["sent", "long", "gone"] {
        begin(&store, token, name).await;
    }
    acknowledge(&store, "sent").await;
    acknowledge(&store, "long").await;
    fail(&store, "failed").await;
    unknown(&store, "gone").await;
    store.profile_gone(&client()).await.expect("noted");
    begin(&store, token, "asked").await;
    unknown(&store, "asked").await;
    receive(&store, "inbound", "body-inbound").await;

    assert_eq!(
        store.redact(Timestamp(1)).await,
        Ok(false),
        "nothing is so old"
    );
    let before = (
        get(&store, "sent").await,
        store
            .history(get(&store, "sent").await.seq)
            .await
            .expect("history"),
    );
    route(&store).await;
    assert_eq!(store.redact(future()).await, Ok(true));
    settle(&store).await;
    assert_eq!(
        bodies(dir.path()),
        ["body-asked", "body-waits"],
        "only those that are still needed"
    );

    let after = get(&store, "sent").await;
    assert!(after.redacted && after.message.content.body().is_none());
    assert_eq!(store.history(after.seq).await.expect("history"), before.1);
    let content = after.message.content.clone();
    let as_before = OutboundMessage {
        content,
        ..before.0.message.clone()
    };
    assert_eq!(
        after,
        OutboxRow {
            redacted: true,
            message: as_before,
            ..before.0
        },
        "all else is as it was"
    );
    for event in store
        .events_after(0, 100)
        .await
        .expect("every event can be read")
    {
        match event.envelope.event {
            Event::MessageReceived(message) => assert_eq!(
                (message.content.body(), message.push_name.as_deref()),
                (None, Some("Ada"))
            ),
            Event::MessageSent { message, .. } | Event::MessageFailed { message, .. } => {
                assert_eq!((message.content.body(), message.metadata.len()), (None, 1));
            }
            _ => {}
        }
    }
    assert_eq!(
        store.redact(future()).await,
        Ok(false),
        "nothing is done twice"
    );
    assert_eq!(
        store.retry(&OutboxId("failed".into())).await,
        Ok(false),
        "nobody knows what to send"
    );
    assert_eq!(get(&store, "failed").await.state, RowState::NotSent);
}

#[tokio::test]
async fn what_is_still_to_be_delivered_keeps_its_text() {
    let (dir, store) = scratch().await;
    receive(&store, "pending-one", "body-one").await;
    receive(&store, "pending-two", "body-two").await;
    receive(&store, "told", "body-told").await;
    assert_eq!(
        store.redact(future()).await,
        Ok(false),
        "nothing is routed yet"
    );
    route(&store).await;
    receive(&store, "new", "body-new").await;
    store.redact(future()).await.expect("redacted");
    settle(&store).await;
    assert_eq!(bodies(dir.path()), ["body-new", "body-one", "body-two"]);
    store
        .attempted(&[("evt_pending-one".to_owned(), Update::Delivered)])
        .await
        .expect("noted");
    store
        .attempted(&[(
            "evt_pending-two".to_owned(),
            Update::Dead("given up".into()),
        )])
        .await
        .expect("noted");
    route(&store).await;
    store.redact(future()).await.expect("redacted");
    settle(&store).await;
    assert_eq!(
        bodies(dir.path()),
        Vec::<String>::new(),
        "delivered, given up, and nobody's"
    );
    assert_eq!(store.retry_delivery("evt_pending-two").await, Ok(true));
    let seq = store.delivery_lines(9).await.expect("read")[0].event_seq;
    let told = store
        .envelopes(&[seq])
        .await
        .expect("read")
        .remove(&seq)
        .expect("there")
        .expect("readable");
    assert!(
        matches!(&told.event, Event::MessageReceived(message) if message.content.body().is_none())
    );
}

#[tokio::test]
async fn an_order_says_nothing_any_more_once_everybody_is_taken_in() {
    let (dir, store) = scratch().await;
    for (id, recipients) in [("bulk_small", 3), ("bulk_large", 250), ("bulk_open", 3)] {
        let text = format!("body-{}", &id[5..]);
        let wanted = json!({"text": text, "template": null, "locale": null, "variables": {"a": text}, "metadata": [["m", "kept"]]}).to_string();
        let recipients = (0..recipients)
            .map(|n| {
                (
                    number().into(),
                    json!({"name": format!("{text}-{n}")}).to_string(),
                )
            })
            .collect();
        store
            .create_bulk(NewBulk {
                id: id.into(),
                client: client(),
                wanted,
                recipients,
                idempotency: None,
            })
            .await
            .expect("stored");
    }
    for recipient in store.pending(255).await.expect("read") {
        store
            .taken_in(
                recipient.bulk,
                recipient.place,
                Err(("x".into(), "y".into())),
            )
            .await
            .expect("noted");
    }
    assert_eq!(store.pending(9).await.expect("read").len(), 1);
    store.redact(future()).await.expect("redacted");
    assert_eq!(
        count(
            &store,
            "SELECT count(*) FROM bulk_recipient WHERE variables <> '{}'"
        )
        .await,
        3,
        "somebody of the last is not taken in"
    );
    settle(&store).await;
    let left = bodies(dir.path());
    assert!(
        !left.iter().any(|word| word.starts_with("body-small"))
            && !left.contains(&"body-large".into()),
        "{left:?}"
    );
    assert!(left.contains(&"body-open".into()), "{left:?}");
    assert_eq!(store.cancel_pending(3).await, Ok(1));
    store.redact(future()).await.expect("redacted");
    assert_eq!(
        count(
            &store,
            "SELECT count(*) FROM bulk_recipient WHERE variables <> '{}'"
        )
        .await,
        0
    );
    assert_eq!(
        count(
            &store,
            "SELECT count(*) FROM bulk WHERE wanted LIKE '%kept%' AND wanted NOT LIKE '%body-%'"
        )
        .await,
        3
    );
    assert_eq!(
        count(
            &store,
            "SELECT count(*) FROM bulk_recipient WHERE code IS NOT NULL AND recipient <> ''"
        )
        .await,
        256
    );
    store
        .prune_outbox(future(), future())
        .await
        .expect("pruned");
    assert_eq!(
        count(
            &store,
            "SELECT (SELECT count(*) FROM bulk) + (SELECT count(*) FROM bulk_recipient)"
        )
        .await,
        0
    );
}

#[tokio::test]
async fn a_send_that_comes_in_between_is_stored_before_the_next_step() {
    let (_dir, store) = scratch().await;
    ended(&store, 1000, 70).await;
    let left = async || {
        count(
            &store,
            "SELECT count(*) FROM outbox WHERE redacted = 0 AND state = 'not_sent'",
        )
        .await
    };
    for n in 1..=9_i64 {
        // The message is accepted while the step is under way.
        let name = format!("new_{n}");
        let (more, accepted) =
            join(store.redact_sends(future()), store.accept(row(&name, "x"))).await;
        assert_eq!((more, accepted), (Ok(true), Ok(Accept::New)));
        assert_eq!(get(&store, &name).await.state, RowState::Queued);
        assert_eq!(
            left().await,
            1000 - n * i64::from(STEP),
            "a step is no longer than that"
        );
    }
    assert_eq!(store.redact(future()).await, Ok(true));
    assert_eq!(left().await, 0);
}
