//! Storing many messages at once, and recognising requests by their idempotency keys.

use futures_util::future::join_all;

use super::*;

#[tokio::test]
async fn a_row_that_cannot_be_stored_does_not_take_its_neighbours_with_it() {
    let (_dir, store) = scratch().await;
    store.accept(row("out_7")).await.expect("stored");
    // The eighth of these has an id that exists already.
    let names: Vec<String> = (0..100).map(|number| format!("out_{number}")).collect();
    let answers = join_all(names.iter().map(|name| store.accept(row(name)))).await;
    for (name, answer) in names.iter().zip(&answers) {
        assert_eq!(answer.is_ok(), name != "out_7", "{name}: {answer:?}");
    }
    let listed = store
        .messages(&Filter {
            limit: 200,
            ..Filter::default()
        })
        .await
        .expect("listed");
    assert_eq!(listed.rows.len(), 100);
    assert_eq!(listed.next, None);
    for row in &listed.rows {
        assert_eq!(
            row.message.content.body(),
            Some("it's \"quoted\" \u{1F980}\0")
        );
        let history = store.history(row.seq).await.expect("history");
        assert_eq!(
            history
                .iter()
                .map(|step| step.kind.as_str())
                .collect::<Vec<_>>(),
            ["accepted", "verdict"],
            "{}",
            row.id
        );
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
    store
        .accept(NewRow {
            idempotency: Some(first),
            ..row("out_1")
        })
        .await
        .expect("stored");
    for (again, known) in [
        (key("understood", "written", ""), true),
        (key("understood otherwise", "written", ""), true),
        (key("understood", "another spelling", ""), true),
        (key("understood otherwise", "another spelling", ""), false),
        (key("x", "y", "understood"), false),
    ] {
        let wanted = if known {
            Accept::Known(OutboxId("out_1".into()))
        } else {
            Accept::Reused
        };
        assert_eq!(
            store.known_send(&again).await,
            Ok(Some(wanted.clone())),
            "{again:?}"
        );
        assert_eq!(
            store
                .accept(NewRow {
                    idempotency: Some(again.clone()),
                    ..row("out_2")
                })
                .await,
            Ok(wanted),
            "{again:?}"
        );
    }
}

#[tokio::test]
async fn of_many_with_one_key_one_is_stored_and_the_others_are_told_of_it() {
    let (_dir, store) = scratch().await;
    let names: Vec<String> = (0..60).map(|number| format!("out_{number}")).collect();
    let wanted = names.iter().enumerate().map(|(number, name)| {
        keyed(
            name,
            &format!("k{}", number % 3),
            if number < 57 { "same" } else { "other" },
        )
    });
    let answers = join_all(wanted.map(|row| store.accept(row))).await;
    let new: Vec<&String> = names
        .iter()
        .zip(&answers)
        .filter(|(_, answer)| **answer == Ok(Accept::New))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(new.len(), 3);
    let known = answers
        .iter()
        .filter(|answer| matches!(answer, Ok(Accept::Known(id)) if new.contains(&&id.0)))
        .count();
    let reused = answers
        .iter()
        .filter(|answer| **answer == Ok(Accept::Reused))
        .count();
    assert_eq!((known, reused), (54, 3));
    assert_eq!(store.outbox_depth().await, Ok(3));
    let found = store.find_messages("k0", "api").await.expect("found");
    assert_eq!(found.len(), 1);
    assert!(
        store
            .find_messages("k0", "another caller")
            .await
            .expect("found")
            .is_empty(),
        "keys of others are not seen"
    );
    assert_eq!(
        store
            .find_messages(&format!("true_77@lid_{}", found[0].message_id), "")
            .await
            .expect("found"),
        found
    );
}

#[tokio::test]
async fn more_writes_than_can_be_done_soon_are_refused_and_nothing_of_them_is_stored() {
    let (_dir, store) = scratch().await;
    let answers =
        join_all((0..6000).map(|number| store.accept(row(&format!("out_{number}"))))).await;
    let stored = answers
        .iter()
        .filter(|answer| **answer == Ok(Accept::New))
        .count();
    let busy = answers
        .iter()
        .filter(|answer| **answer == Err(StoreError::Busy))
        .count();
    assert_eq!(stored + busy, 6000);
    assert!(busy > 0, "the queue has no bound");
    assert_eq!(
        store.outbox_depth().await,
        Ok(i64::try_from(stored).expect("few"))
    );
}
