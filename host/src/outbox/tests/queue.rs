//! The order of messages (chats, priorities, times, deadlines), and what a caller may still change.

use super::*;
use crate::{model::Priority, whatsapp::TimeLock};

pub(super) fn to(number: &str, text: &str) -> SendRequest {
    SendRequest {
        to: number.parse().expect("number"),
        ..request(text, None)
    }
}

pub(super) async fn until_stored(whatsapp: &FakeWhatsApp, count: usize) {
    for _ in 0..1500 {
        if whatsapp.order.lock().expect("lock").len() >= count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!(
        "the page has only {:?}",
        whatsapp.order.lock().expect("lock")
    );
}

#[tokio::test]
async fn a_message_that_has_to_wait_holds_back_its_chat_and_no_other() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    let whatsapp = Arc::new(FakeWhatsApp::default());
    whatsapp
        .lookups_fail
        .lock()
        .expect("lock")
        .insert("4915100000001".into());
    let mut accepted = Vec::new();
    for (number, text) in [
        ("4915100000001", "first"),
        ("4915100000002", "other chat"),
        ("4915100000001", "second"),
    ] {
        accepted.push(
            gateway
                .outbox
                .accept(to(number, text))
                .await
                .expect("accepted"),
        );
    }
    gateway.page(&whatsapp);
    until_stored(&whatsapp, 1).await;
    whatsapp.lookups_fail.lock().expect("lock").clear();
    until_stored(&whatsapp, 3).await;
    let wanted = [1, 0, 2].map(|which: usize| accepted[which].message_id.clone());
    assert_eq!(*whatsapp.order.lock().expect("lock"), wanted);
    let row = gateway
        .outbox
        .get(&accepted[0].id)
        .await
        .expect("read")
        .expect("there");
    let history = gateway.outbox.history(&row).await.expect("history");
    let kinds: Vec<&str> = history.iter().map(|step| step.kind.as_str()).collect();
    assert_eq!(
        kinds,
        ["accepted", "requeued", "sending"],
        "a wait is said once"
    );
}

#[tokio::test]
async fn interactive_messages_pass_bulk_ones_also_in_the_same_chat() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    let mut accepted = Vec::new();
    for (text, priority) in [
        ("bulk 1", Priority::Bulk),
        ("bulk 2", Priority::Bulk),
        ("now", Priority::Interactive),
        ("and now", Priority::Interactive),
    ] {
        let wanted = SendRequest {
            priority,
            ..request(text, None)
        };
        accepted.push(
            gateway
                .outbox
                .accept(wanted)
                .await
                .expect("accepted")
                .message_id,
        );
    }
    let whatsapp = Arc::new(FakeWhatsApp::default());
    gateway.page(&whatsapp);
    until_stored(&whatsapp, 4).await;
    assert_eq!(
        *whatsapp.order.lock().expect("lock"),
        [2, 3, 0, 1].map(|which: usize| accepted[which].clone())
    );
}

#[tokio::test]
async fn a_message_waits_for_its_time_and_holds_back_nothing_meanwhile() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    let whatsapp = Arc::new(FakeWhatsApp::default());
    gateway.page(&whatsapp);
    let at = Timestamp::now().plus_millis(1500);
    let later = gateway
        .outbox
        .accept(SendRequest {
            send_at: Some(at),
            ..request("later", None)
        })
        .await
        .expect("accepted");
    let now = gateway
        .outbox
        .accept(request("now", None))
        .await
        .expect("accepted");
    until_stored(&whatsapp, 2).await;
    assert!(Timestamp::now() >= at);
    assert_eq!(
        *whatsapp.order.lock().expect("lock"),
        [now.message_id, later.message_id]
    );
}

#[tokio::test]
async fn what_a_plugin_refuses_at_the_moment_of_sending_does_not_leave() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    let at = Timestamp::now().plus_millis(50);
    let accepted = gateway
        .outbox
        .accept(SendRequest {
            send_at: Some(at),
            ..request("reject me later", None)
        })
        .await
        .expect("accepted");
    let whatsapp = Arc::new(FakeWhatsApp::default());
    gateway.page(&whatsapp);
    let row = gateway.until(&accepted.id, RowState::NotSent).await;
    assert_eq!(row.code, Some(FailureCode::Rejected));
    assert!(whatsapp.known.lock().expect("lock").is_empty());
}

#[tokio::test]
async fn a_message_whose_deadline_passes_ends_even_while_there_is_no_page() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    let deadline = Some(Timestamp::now().plus_millis(50));
    let accepted = gateway
        .outbox
        .accept(SendRequest {
            expires_at: deadline,
            ..request("too late", None)
        })
        .await
        .expect("accepted");
    let row = gateway.until(&accepted.id, RowState::NotSent).await;
    assert_eq!(row.code, Some(FailureCode::Expired));
    assert_eq!(gateway.events().await, ["message.failed"]);
}

#[tokio::test]
async fn only_what_waits_is_taken_back_and_only_what_has_failed_is_taken_up_again() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    let outbox = &gateway.outbox;
    let accepted = outbox
        .accept(request("hello", None))
        .await
        .expect("accepted");
    assert_eq!(
        outbox.retry(&accepted.id).await,
        Err(ChangeError::State(RowState::Queued))
    );
    assert_eq!(
        outbox.cancel(&accepted.id).await.expect("cancelled").code,
        Some(FailureCode::Cancelled)
    );
    assert_eq!(
        outbox.cancel(&accepted.id).await,
        Err(ChangeError::State(RowState::NotSent))
    );
    assert_eq!(
        outbox.retry(&accepted.id).await.expect("taken up").state,
        RowState::Queued
    );

    gateway.page(&Arc::new(FakeWhatsApp::default()));
    gateway.until(&accepted.id, RowState::Sending).await;
    assert_eq!(
        outbox.cancel(&accepted.id).await,
        Err(ChangeError::State(RowState::Sending))
    );
    gateway.ack(&accepted.message_id, AckLevel::Server).await;
    for refused in [
        outbox.retry(&accepted.id).await,
        outbox.cancel(&accepted.id).await,
    ] {
        assert_eq!(refused, Err(ChangeError::State(RowState::Sent)));
    }
    let nobody = OutboxId("out_nobody".into());
    assert_eq!(
        (outbox.cancel(&nobody).await, outbox.retry(&nobody).await),
        (Err(ChangeError::Missing), Err(ChangeError::Missing))
    );
    let row = outbox
        .get(&accepted.id)
        .await
        .expect("read")
        .expect("there");
    let history = outbox.history(&row).await.expect("history");
    let kinds: Vec<&str> = history.iter().map(|step| step.kind.as_str()).collect();
    assert_eq!(
        kinds,
        ["accepted", "not_sent", "retried", "sending", "sent", "ack"]
    );
}

#[tokio::test]
async fn what_may_have_left_is_never_sent_again_by_a_caller() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::with(
        dir.path(),
        config::Send {
            ack_timeout: config::Millis(100),
            ..config::Send::default()
        },
    )
    .await;
    let whatsapp = Arc::new(FakeWhatsApp::default());
    *whatsapp.dies.lock().expect("lock") = Some(Death::AfterStoring);
    whatsapp
        .mute
        .store(true, std::sync::atomic::Ordering::Relaxed);
    gateway.page(&whatsapp);
    let accepted = gateway
        .outbox
        .accept(request("hello", None))
        .await
        .expect("accepted");
    gateway.until(&accepted.id, RowState::Unknown).await;
    assert_eq!(
        gateway.outbox.retry(&accepted.id).await,
        Err(ChangeError::State(RowState::Unknown))
    );
    assert_eq!(
        gateway.outbox.cancel(&accepted.id).await,
        Err(ChangeError::State(RowState::Unknown))
    );
}

#[tokio::test]
async fn a_session_is_emptied_of_what_waits_and_of_nothing_else() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    for number in 0..30 {
        gateway
            .outbox
            .accept(request(&format!("message {number}"), None))
            .await
            .expect("accepted");
    }
    let scheduled = SendRequest {
        send_at: Some(Timestamp::now().plus_millis(3_600_000)),
        ..request("tomorrow", None)
    };
    gateway.outbox.accept(scheduled).await.expect("accepted");
    let other: ClientId = "other".parse().expect("id");
    let kept = gateway
        .outbox
        .accept(SendRequest {
            client: other,
            ..request("of another session", None)
        })
        .await
        .expect("accepted");
    assert_eq!(
        gateway.outbox.cancel_queued(&client(), "purged").await,
        Ok(31)
    );
    assert_eq!(
        gateway.outbox.cancel_queued(&client(), "purged").await,
        Ok(0)
    );
    assert_eq!(
        gateway
            .outbox
            .get(&kept.id)
            .await
            .expect("read")
            .expect("there")
            .state,
        RowState::Queued
    );
}

#[tokio::test]
async fn a_send_that_nothing_holds_back_is_begun_as_it_is_accepted() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    let whatsapp = Arc::new(FakeWhatsApp::default());
    gateway.page(&whatsapp);
    let send = async |text: &str| {
        let accepted = gateway
            .outbox
            .accept(request(text, None))
            .await
            .expect("accepted");
        let (row, outcome) = gateway
            .outbox
            .wait(&accepted.id, Until::Stored, LIMIT)
            .await
            .expect("read")
            .expect("there");
        assert_eq!((row.state, outcome), (RowState::Sending, None));
        assert!(
            row.message_key
                .is_some_and(|key| key.ends_with(&accepted.message_id.0))
        );
        accepted
    };
    assert_eq!(
        send("first").await.state,
        RowState::Queued,
        "nobody knows the address"
    );
    let mut ids = Vec::new();
    for text in ["second", "third", "fourth"] {
        let accepted = send(text).await;
        assert_eq!(accepted.state, RowState::Sending, "{text}");
        let row = gateway
            .outbox
            .get(&accepted.id)
            .await
            .expect("read")
            .expect("there");
        let history = gateway.outbox.history(&row).await.expect("history");
        assert_eq!(
            history
                .iter()
                .map(|step| step.kind.as_str())
                .collect::<Vec<_>>(),
            ["accepted", "sending"]
        );
        assert_eq!(
            history[1].detail,
            serde_json::json!({"attempt": 1, "chat": "77@lid"})
        );
        ids.push(accepted.message_id);
    }
    let got = whatsapp.got.lock().expect("lock").clone();
    assert_eq!(
        got[1..]
            .iter()
            .map(|send| send.id.clone())
            .collect::<Vec<_>>(),
        ids
    );

    let later = Timestamp::now().plus_millis(60_000);
    let waits = gateway
        .outbox
        .accept(SendRequest {
            send_at: Some(later),
            ..request("later", None)
        })
        .await
        .expect("accepted");
    assert_eq!(waits.state, RowState::Queued);
    assert_eq!(
        send("before that").await.state,
        RowState::Sending,
        "what is for later is not in the line"
    );
    gateway.outbox.pause(&client(), true).await.expect("paused");
    let paused = gateway
        .outbox
        .accept(request("paused", None))
        .await
        .expect("accepted");
    assert_eq!(paused.state, RowState::Queued);
    gateway
        .outbox
        .pause(&client(), false)
        .await
        .expect("resumed");
    gateway.until_stored(&paused.id).await;
    gateway
        .outbox
        .time_lock(&client(), None, Some(TimeLock::default()))
        .await
        .expect("locked");
    assert_eq!(
        gateway
            .outbox
            .accept(request("restricted", None))
            .await
            .expect("accepted")
            .state,
        RowState::Queued
    );
}
