//! Messages from their acceptance to their acknowledgement, through crashes and lost profiles: each
//! is sent once or not at all.

use std::collections::HashMap;

use super::*;
use crate::model::Outcome;

#[tokio::test]
async fn a_send_ends_with_the_servers_acknowledgement_and_levels_only_rise() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    let whatsapp = Arc::new(FakeWhatsApp::default());
    gateway.page(&whatsapp);
    let accepted = gateway
        .outbox
        .accept(request("hello", None))
        .await
        .expect("accepted");
    gateway.until(&accepted.id, RowState::Sending).await;
    for level in [AckLevel::Server, AckLevel::Read, AckLevel::Device] {
        gateway.ack(&accepted.message_id, level).await;
    }
    let (row, outcome) = gateway
        .outbox
        .wait(&accepted.id, Until::Sent, LIMIT)
        .await
        .expect("read")
        .expect("there");
    assert_eq!(row.ack, 3);
    assert!(
        matches!(outcome, Some(Outcome::Sent { message_key, .. }) if message_key == format!("true_77@lid_{}", accepted.message_id))
    );
    assert_eq!(
        gateway.events().await,
        ["message.sent", "message.ack", "message.ack"]
    );
    gateway
        .outbox
        .accept(request("again", None))
        .await
        .expect("accepted");
    let second = gateway
        .outbox
        .accept(request("and again", None))
        .await
        .expect("accepted");
    gateway.until(&second.id, RowState::Sending).await;
    assert_eq!(
        *whatsapp.looked_up.lock().expect("lock"),
        1,
        "a looked-up number is believed for a while"
    );
}

#[tokio::test]
async fn a_crash_at_any_point_sends_exactly_once_under_the_first_id() {
    for death in [None, Some(Death::BeforeStoring), Some(Death::AfterStoring)] {
        let dir = tempfile::tempdir().expect("tempdir");
        let whatsapp = Arc::new(FakeWhatsApp::default());
        *whatsapp.dies.lock().expect("lock") = death;
        let gateway = Gateway::start(dir.path()).await;
        let accepted = gateway
            .outbox
            .accept(request("hello", None))
            .await
            .expect("accepted");
        if death.is_some() {
            gateway.page(&whatsapp);
            gateway.until(&accepted.id, RowState::Sending).await;
        }
        gateway.crash().await;

        *whatsapp.dies.lock().expect("lock") = None;
        let gateway = Gateway::start(dir.path()).await;
        gateway.page(&whatsapp);
        while whatsapp.known.lock().expect("lock").is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        gateway.ack(&accepted.message_id, AckLevel::Server).await;
        gateway.until(&accepted.id, RowState::Sent).await;
        assert_eq!(
            *whatsapp.known.lock().expect("lock"),
            HashMap::from([(accepted.message_id, 1)]),
            "{death:?}"
        );
        let asked = *whatsapp.asked.lock().expect("lock") > 0;
        assert!(
            asked || death != Some(Death::BeforeStoring),
            "a send that was begun is looked up before it is sent again"
        );
        gateway.crash().await;
    }
}

#[tokio::test]
async fn what_a_lost_profile_has_begun_is_unknown_and_never_sent_again() {
    for told in [true, false] {
        let dir = tempfile::tempdir().expect("tempdir");
        let whatsapp = Arc::new(FakeWhatsApp::default());
        // If the gateway is not told of the loss, the page has at least confirmed that it had the
        // message.
        *whatsapp.dies.lock().expect("lock") = told.then_some(Death::AfterStoring);
        let gateway = Gateway::start(dir.path()).await;
        let accepted = gateway
            .outbox
            .accept(request("hello", None))
            .await
            .expect("accepted");
        gateway.page(&whatsapp);
        gateway.until(&accepted.id, RowState::Sending).await;
        while !told
            && gateway
                .outbox
                .get(&accepted.id)
                .await
                .expect("read")
                .expect("there")
                .message_key
                .is_none()
        {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if told {
            gateway.store.profile_gone(&client()).await.expect("noted");
        }
        let fresh = Arc::new(FakeWhatsApp::default());
        gateway.page(&fresh);
        gateway.until(&accepted.id, RowState::Unknown).await;
        let next = gateway
            .outbox
            .accept(request("next", None))
            .await
            .expect("accepted");
        gateway.until_stored(&next.id).await;
        assert_eq!(
            *fresh.known.lock().expect("lock"),
            HashMap::from([(next.message_id, 1)]),
            "told of the loss: {told}"
        );
        gateway.crash().await;
    }
}

#[tokio::test]
async fn a_send_that_does_not_begin_in_time_is_cancelled_and_never_leaves() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    let accepted = gateway
        .outbox
        .accept(request("hello", None))
        .await
        .expect("accepted");
    let (_, outcome) = gateway
        .outbox
        .wait(&accepted.id, Until::Sent, Duration::from_millis(50))
        .await
        .expect("read")
        .expect("there");
    assert!(
        matches!(
            outcome,
            Some(Outcome::NotSent {
                code: FailureCode::NotSentInTime,
                ..
            })
        ),
        "{outcome:?}"
    );

    let whatsapp = Arc::new(FakeWhatsApp::default());
    gateway.page(&whatsapp);
    let later = gateway
        .outbox
        .accept(request("later", None))
        .await
        .expect("accepted");
    gateway.until_stored(&later.id).await;
    assert_eq!(
        whatsapp
            .known
            .lock()
            .expect("lock")
            .keys()
            .collect::<Vec<_>>(),
        [&later.message_id]
    );
    let (_, outcome) = gateway
        .outbox
        .wait(&later.id, Until::Sent, Duration::from_millis(50))
        .await
        .expect("read")
        .expect("there");
    assert!(
        matches!(outcome, Some(Outcome::Unknown { .. })),
        "begun: {outcome:?}"
    );
}

#[tokio::test]
async fn a_missing_acknowledgement_is_found_out_by_asking_the_page() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::with(
        dir.path(),
        config::Send {
            ack_timeout: config::Millis(100),
            ..config::Send::default()
        },
    )
    .await;
    gateway.page(&Arc::new(FakeWhatsApp::default()));
    let accepted = gateway
        .outbox
        .accept(request("hello", None))
        .await
        .expect("accepted");
    gateway.until(&accepted.id, RowState::Sent).await;
    assert_eq!(
        gateway.events().await,
        ["message.unknown", "message.sent", "message.ack"],
        "unknown is never the last word, and no failure"
    );
}
