//! Unreadable rows and plugins without capacity stop nothing else, and are not taken for an answer.

use super::*;

fn order(text: &str) -> BulkRequest {
    let message = BulkMessage {
        text: Some(text.into()),
        mentions: vec![],
        link_preview: true,
        template: None,
        locale: None,
        variables: BTreeMap::new(),
        send_at: None,
        expires_at: None,
        priority: Priority::Bulk,
        metadata: vec![],
    };
    let recipients = ["4915123456781", "4915123456782"]
        .map(|number| (number.parse().expect("number"), BTreeMap::new()));
    BulkRequest {
        client: client(),
        message,
        recipients: recipients.to_vec(),
        idempotency: None,
    }
}

async fn counts(gateway: &Gateway, id: &str) -> Vec<(String, i64)> {
    gateway
        .outbox
        .bulk_report(id)
        .await
        .expect("read")
        .expect("there")
        .counts
}

fn counted(counts: &[(&str, i64)]) -> Vec<(String, i64)> {
    counts
        .iter()
        .map(|(state, count)| ((*state).to_owned(), *count))
        .collect()
}

#[tokio::test]
async fn a_line_goes_on_past_a_row_that_cannot_be_read() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    gateway
        .outbox
        .accept(request("broken", None))
        .await
        .expect("accepted");
    gateway
        .store
        .spoil("UPDATE outbox SET message = 'no JSON'")
        .await;
    let behind = gateway
        .outbox
        .accept(request("behind it, to the same number", None))
        .await
        .expect("accepted");
    let whatsapp = Arc::new(FakeWhatsApp::default());
    gateway.page(&whatsapp);
    gateway.until_stored(&behind.id).await;
    assert_eq!(*whatsapp.order.lock().expect("lock"), [behind.message_id]);
    assert_eq!(
        gateway.outbox.cancel_queued(&client(), "purged").await,
        Ok(1),
        "a purge ends it"
    );
}

#[tokio::test]
async fn a_held_message_that_cannot_be_read_keeps_no_other_from_being_cancelled() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    for text in ["first", "broken", "last"] {
        gateway
            .outbox
            .accept(request(text, None))
            .await
            .expect("accepted");
    }
    gateway.store.spoil("UPDATE outbox SET held = 3").await;
    gateway
        .store
        .spoil("UPDATE outbox SET message = 'no JSON' WHERE seq = 2")
        .await;
    let both = Held {
        messages: 2,
        recipients: 0,
    };
    assert_eq!(gateway.outbox.cancel_held(&client()).await, Ok(both));
}

#[tokio::test]
async fn an_order_that_cannot_be_read_is_reported_and_the_next_one_is_taken_in() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    let broken = gateway.outbox.bulk(order("broken")).await.expect("stored");
    gateway
        .store
        .spoil("UPDATE bulk SET wanted = 'no JSON'")
        .await;
    let odd = gateway.outbox.bulk(order("odd")).await.expect("stored");
    gateway
        .store
        .spoil("UPDATE bulk_recipient SET recipient = 'nobody' WHERE bulk = 2 AND place = 0")
        .await;
    while gateway.outbox.take_some().await.expect("taken") {}
    assert_eq!(counts(&gateway, &broken).await, counted(&[("refused", 2)]));
    assert_eq!(
        counts(&gateway, &odd).await,
        counted(&[("queued", 1), ("refused", 1)])
    );
    let report = gateway
        .outbox
        .bulk_report(&odd)
        .await
        .expect("read")
        .expect("there");
    let rows = gateway
        .outbox
        .bulk_recipients(&report, None, 0, 10)
        .await
        .expect("read");
    assert_eq!(rows[0].code.as_deref(), Some("unreadable"));
}

#[tokio::test]
async fn a_recipient_whose_message_cannot_be_read_stops_no_order() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    let id = gateway.outbox.bulk(order("hello")).await.expect("stored");
    // As after a crash between accepting a recipient and recording that.
    let pending = gateway.store.pending(1).await.expect("pending");
    gateway
        .outbox
        .accept(crate::outbox::bulk::request(&pending[0]).expect("a request"))
        .await
        .expect("accepted");
    gateway
        .store
        .spoil("UPDATE outbox SET message = 'no JSON'")
        .await;
    while gateway.outbox.take_some().await.expect("taken") {}
    assert_eq!(
        counts(&gateway, &id).await,
        counted(&[("queued", 1), ("refused", 1)])
    );
}

#[tokio::test]
async fn a_want_of_room_neither_allows_nor_ends_a_send() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    let refused = gateway.outbox.accept(request("no room", None)).await;
    assert!(
        matches!(&refused, Err(AcceptError::Busy(busy)) if busy.plugin == "words"),
        "{refused:?}"
    );
    assert_eq!(gateway.store.outbox_depth().await, Ok(0));

    let id = gateway.outbox.bulk(order("no room")).await.expect("stored");
    assert_eq!(
        gateway.outbox.take_some().await,
        Err(StoreError::Busy),
        "tried again later"
    );
    assert_eq!(counts(&gateway, &id).await, counted(&[("pending", 2)]));
    gateway
        .outbox
        .cancel_queued(&client(), "enough")
        .await
        .expect("cancelled");

    // There is no capacity once at the time of sending: the message waits and is sent.
    let at = Timestamp::now().plus_millis(50);
    let accepted = gateway
        .outbox
        .accept(SendRequest {
            send_at: Some(at),
            ..request("no room later", None)
        })
        .await
        .expect("accepted");
    let whatsapp = Arc::new(FakeWhatsApp::default());
    gateway.page(&whatsapp);
    gateway.until_stored(&accepted.id).await;
    assert!(NO_ROOM.load(Ordering::Relaxed), "it was asked before");
    let history = gateway
        .outbox
        .history(
            &gateway
                .outbox
                .get(&accepted.id)
                .await
                .expect("read")
                .expect("there"),
        )
        .await
        .expect("read");
    assert!(history.iter().any(|step| {
        step.kind == "requeued"
            && step.detail["reason"]
                .as_str()
                .is_some_and(|reason| reason.contains("none left"))
    }));
}
