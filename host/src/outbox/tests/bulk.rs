//! Bulk orders.

use std::collections::BTreeMap;

use super::*;
use crate::{model::Priority, store::BulkReport};

const MANY: usize = 150;

fn order(key: Option<&str>, count: usize) -> BulkRequest {
    let recipient = |place: usize| {
        let number = format!("49151{place:08}").parse().expect("number");
        (
            number,
            BTreeMap::from([(
                "name".to_owned(),
                serde_json::json!(if place == 3 {
                    "nobody".into()
                } else {
                    format!("Ada {place}")
                }),
            )]),
        )
    };
    let message = BulkMessage {
        text: None,
        mentions: vec![],
        link_preview: true,
        template: Some("greeting".into()),
        locale: None,
        variables: BTreeMap::from([
            ("name".to_owned(), serde_json::json!("you")),
            ("order".to_owned(), serde_json::json!("7")),
        ]),
        send_at: None,
        expires_at: None,
        priority: Priority::Bulk,
        metadata: vec![],
    };
    let idempotency = key.map(|key| Idempotency {
        fingerprint: count.to_string(),
        ..Idempotency::own("api", key.into())
    });
    BulkRequest {
        client: client(),
        message,
        recipients: (0..count).map(recipient).collect(),
        idempotency,
    }
}

async fn report(gateway: &Gateway, id: &str) -> BulkReport {
    gateway
        .outbox
        .bulk_report(id)
        .await
        .expect("read")
        .expect("there")
}

fn counts(report: &BulkReport) -> Vec<(&str, i64)> {
    report
        .counts
        .iter()
        .map(|(state, count)| (state.as_str(), *count))
        .collect()
}

#[tokio::test]
async fn every_recipient_is_taken_in_once_whatever_breaks_off() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    let id = gateway
        .outbox
        .bulk(order(Some("k"), MANY))
        .await
        .expect("stored");
    assert_eq!(counts(&report(&gateway, &id).await), [("pending", 150)]);
    assert_eq!(gateway.outbox.take_some().await, Ok(true));
    // As after a crash between accepting some recipients and recording that.
    let order_seq = report(&gateway, &id).await.seq;
    accept_two_without_a_note(&gateway, order_seq).await;
    gateway.crash().await;

    let gateway = Gateway::start(dir.path()).await;
    while gateway.outbox.take_some().await.expect("taken") {}
    assert_eq!(
        counts(&report(&gateway, &id).await),
        [("queued", 149), ("refused", 1)]
    );
    assert_eq!(gateway.store.outbox_depth().await, Ok(149), "nobody twice");
    let all = gateway
        .outbox
        .bulk_recipients(&report(&gateway, &id).await, None, 0, 500)
        .await
        .expect("read");
    assert_eq!(
        (all[3].state.as_str(), all[3].code.as_deref()),
        ("refused", Some("missing_variable"))
    );
    let message = gateway
        .outbox
        .get(all[5].message.as_ref().expect("accepted"))
        .await
        .expect("read")
        .expect("there");
    assert_eq!(
        message.message.content.body(),
        Some("rendered greeting for Ada 5 about 7"),
        "own variables go over the common ones"
    );
    assert_eq!(message.priority, Priority::Bulk);

    assert_eq!(
        gateway.outbox.bulk(order(Some("k"), MANY)).await,
        Ok(id.clone())
    );
    assert_eq!(
        gateway.outbox.bulk(order(Some("k"), 2)).await,
        Err(AcceptError::KeyReused)
    );
    assert_eq!(
        gateway
            .outbox
            .cancel_bulk(&report(&gateway, &id).await)
            .await,
        Ok(149)
    );
    assert_eq!(
        counts(&report(&gateway, &id).await),
        [("not_sent", 149), ("refused", 1)]
    );
}

/// Accepts two recipients as the outbox does, without recording it.
async fn accept_two_without_a_note(gateway: &Gateway, order: i64) {
    let pending = gateway.store.pending(2).await.expect("pending");
    assert!(pending.len() == 2 && pending.iter().all(|recipient| recipient.bulk == order));
    for recipient in &pending {
        gateway
            .outbox
            .accept(crate::outbox::bulk::request(recipient).expect("a request"))
            .await
            .expect("accepted");
    }
}

#[tokio::test]
async fn an_order_that_is_cancelled_takes_nobody_in_any_more() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    let purged = gateway.outbox.bulk(order(None, 10)).await.expect("stored");
    assert_eq!(
        gateway.outbox.cancel_queued(&client(), "purged").await,
        Ok(10)
    );
    assert_eq!(counts(&report(&gateway, &purged).await), [("refused", 10)]);
    let id = gateway.outbox.bulk(order(None, 100)).await.expect("stored");
    assert_eq!(gateway.outbox.take_some().await, Ok(true));
    assert_eq!(
        gateway
            .outbox
            .cancel_bulk(&report(&gateway, &id).await)
            .await,
        Ok(99)
    );
    assert_eq!(gateway.outbox.take_some().await, Ok(false));
    // A recipient that was being accepted when the order was cancelled.
    let late = gateway
        .outbox
        .accept(request("late", None))
        .await
        .expect("accepted")
        .id;
    let seq = report(&gateway, &id).await.seq;
    assert_eq!(gateway.store.taken_in(seq, 99, Ok(late)).await, Ok(false));
    assert_eq!(
        gateway
            .outbox
            .cancel_bulk(&report(&gateway, &id).await)
            .await,
        Ok(1)
    );
    assert_eq!(
        counts(&report(&gateway, &id).await),
        [("not_sent", 64), ("refused", 36)]
    );
    gateway
        .store
        .prune_outbox(
            Timestamp::now().plus_millis(1000),
            Timestamp::now().plus_millis(1000),
        )
        .await
        .expect("pruned");
    assert_eq!(
        gateway.outbox.bulk_report(&id).await,
        Ok(None),
        "forgotten with its messages"
    );
}
