//! Messages that were begun and not acknowledged, and the lease for sending in a session.

use super::*;
use crate::outbox::sender::{Progress, Sender};

fn to(number: &str, text: &str) -> SendRequest {
    SendRequest {
        to: number.parse().expect("number"),
        ..request(text, None)
    }
}

fn quick(give_up_after: u64) -> config::Send {
    config::Send {
        ack_timeout: config::Millis(50),
        give_up_after: config::Millis(give_up_after),
        ..config::Send::default()
    }
}

/// The store, the outbox and a sender that is moved by the test.
pub(super) async fn still(dir: &Path, settings: config::Send) -> (Store, Outbox, Sender) {
    let store = Store::open(&dir.join("wharf.db")).await.expect("store");
    let events = Events::new(store.clone(), Arc::new(Words), config::Delivery::default());
    let outbox = Outbox::new(
        store.clone(),
        Arc::new(Words),
        events,
        settings,
        BTreeMap::new(),
    );
    let sender = Sender::lease(Arc::clone(&outbox.inner), client()).await;
    (store, outbox, sender)
}

#[tokio::test]
async fn what_the_page_has_forgotten_is_unknown_for_good_and_then_subject_to_retention() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::with(dir.path(), quick(200)).await;
    gateway.page(&Arc::new(FakeWhatsApp {
        keeps_to_itself: true,
        ..FakeWhatsApp::default()
    }));
    let accepted = gateway
        .outbox
        .accept(request("hello", None))
        .await
        .expect("accepted");
    gateway.until_stored(&accepted.id).await;
    // Another page, which knows nothing of the message.
    let fresh = Arc::new(FakeWhatsApp::default());
    gateway.page(&fresh);
    let row = gateway
        .row(&accepted.id, |row| {
            row.state == RowState::Unknown && row.profile_gone
        })
        .await;
    assert!(
        row.reason
            .as_ref()
            .is_some_and(|reason| reason.contains("nobody could tell")),
        "{row:?}"
    );
    assert_eq!(
        gateway.events().await,
        ["message.unknown", "message.unknown"]
    );
    let history = gateway.outbox.history(&row).await.expect("history");
    let last = history.last().expect("steps");
    assert_eq!(
        (last.kind.as_str(), &last.detail["final"]),
        ("unknown", &serde_json::json!(true))
    );
    gateway.crash().await;
    let (store, _, sender) = still(dir.path(), quick(200)).await;
    let page: Arc<dyn PageSending> = Arc::<FakeWhatsApp>::clone(&fresh);
    let asked = *fresh.asked.lock().expect("lock");
    sender.settle(&page).await.expect("asked");
    sender.overdue(&page, true).await.expect("looked");
    assert_eq!(
        *fresh.asked.lock().expect("lock"),
        asked,
        "it is asked about for ever"
    );
    store.close().await;
    let gateway = Gateway::with(dir.path(), quick(200)).await;
    gateway.page(&fresh);

    // An acknowledgement of WhatsApp still counts.
    gateway.ack(&accepted.message_id, AckLevel::Server).await;
    gateway.until(&accepted.id, RowState::Sent).await;

    let other = gateway
        .outbox
        .accept(request("another", None))
        .await
        .expect("accepted");
    gateway.until_stored(&other.id).await;
    gateway
        .outbox
        .login_ended(&client(), "the login ended")
        .await
        .expect("ended");
    gateway
        .row(&other.id, |row| {
            row.state == RowState::Unknown && row.profile_gone
        })
        .await;
    let later = Timestamp::now().plus_millis(1000);
    gateway
        .store
        .prune_outbox(later, later)
        .await
        .expect("pruned");
    assert_eq!(
        gateway.outbox.get(&other.id).await.expect("read"),
        None,
        "no retention reaches it"
    );
}

#[tokio::test]
async fn what_the_page_still_has_in_its_queue_ends_with_that_reason_and_is_not_sent_again() {
    let dir = tempfile::tempdir().expect("tempdir");
    let (store, outbox, sender) = still(dir.path(), quick(0)).await;
    let whatsapp = Arc::new(FakeWhatsApp {
        unsent: AtomicBool::new(true),
        ..FakeWhatsApp::default()
    });
    let page: Arc<dyn PageSending> = Arc::<FakeWhatsApp>::clone(&whatsapp);
    let accepted = outbox
        .accept(request("hello", None))
        .await
        .expect("accepted");
    sender.pass(&page).await.expect("passed");
    store
        .spoil("UPDATE outbox SET updated_at = updated_at - 1000")
        .await;
    sender.overdue(&page, true).await.expect("looked");
    let row = outbox
        .get(&accepted.id)
        .await
        .expect("read")
        .expect("there");
    assert!(
        row.state == RowState::Unknown && row.profile_gone,
        "{row:?}"
    );
    let reason = row.reason.unwrap_or_default();
    assert!(reason.contains("still has it"), "{reason}");
    assert_eq!(
        whatsapp
            .known
            .lock()
            .expect("lock")
            .get(&accepted.message_id),
        Some(&1)
    );

    let news = SendNews {
        id: accepted.message_id.clone(),
        address: chat(),
        what: SendProgress::Ack(AckLevel::Server),
    };
    outbox
        .on_send_news(&client(), None, vec![news])
        .await
        .expect("noted");
    assert_eq!(
        outbox
            .get(&accepted.id)
            .await
            .expect("read")
            .expect("there")
            .state,
        RowState::Sent,
        "the page has sent it after all"
    );
    store.close().await;
}

#[tokio::test]
async fn a_page_that_does_not_answer_about_one_send_holds_up_no_other() {
    let dir = tempfile::tempdir().expect("tempdir");
    let whatsapp = Arc::new(FakeWhatsApp {
        hangs: true,
        ..FakeWhatsApp::default()
    });
    *whatsapp.dies.lock().expect("lock") = Some(Death::BeforeStoring);
    let gateway = Gateway::start(dir.path()).await;
    let lost = gateway
        .outbox
        .accept(to("4915100000001", "in doubt"))
        .await
        .expect("accepted");
    gateway.page(&whatsapp);
    gateway.until(&lost.id, RowState::Sending).await;
    *whatsapp.dies.lock().expect("lock") = None;
    // A new page has to be asked about it.
    gateway.page(&Arc::new(FakeWhatsApp::default()));
    gateway.page(&whatsapp);
    let behind = gateway
        .outbox
        .accept(to("4915100000001", "behind it"))
        .await
        .expect("accepted");
    let other = gateway
        .outbox
        .accept(to("4915100000002", "another chat"))
        .await
        .expect("accepted");
    gateway.until_stored(&other.id).await;
    assert_eq!(
        gateway
            .outbox
            .get(&behind.id)
            .await
            .expect("read")
            .expect("there")
            .state,
        RowState::Queued,
        "it passed the one before it"
    );
}

#[tokio::test]
async fn what_a_session_has_begun_that_is_not_there_any_more_ends_by_its_age() {
    for (give_up_after, ended) in [(1_000_000, 0), (0, 1)] {
        let dir = tempfile::tempdir().expect("tempdir");
        let (store, outbox, sender) = still(dir.path(), quick(give_up_after)).await;
        let page: Arc<dyn PageSending> = Arc::new(FakeWhatsApp::default());
        let accepted = outbox
            .accept(request("hello", None))
            .await
            .expect("accepted");
        sender.pass(&page).await.expect("passed");
        assert_eq!(
            outbox.give_up_strays(&[client()]).await,
            Ok(0),
            "its page is asked"
        );
        assert_eq!(
            outbox.give_up_strays(&[]).await,
            Ok(ended),
            "{give_up_after}"
        );
        assert_eq!(outbox.give_up_strays(&[]).await, Ok(0));
        let row = outbox
            .get(&accepted.id)
            .await
            .expect("read")
            .expect("there");
        assert_eq!(
            row.state == RowState::Unknown && row.profile_gone,
            ended == 1,
            "{row:?}"
        );
        store.close().await;
    }
}

#[tokio::test]
async fn a_doubt_is_asked_about_with_pauses() {
    let dir = tempfile::tempdir().expect("tempdir");
    let (store, outbox, sender) = still(dir.path(), quick(1_000_000)).await;
    let whatsapp = Arc::new(FakeWhatsApp::default());
    let page: Arc<dyn PageSending> = Arc::<FakeWhatsApp>::clone(&whatsapp);
    *whatsapp.dies.lock().expect("lock") = Some(Death::AfterStoring);
    whatsapp.mute.store(true, Ordering::Relaxed);
    let accepted = outbox
        .accept(request("hello", None))
        .await
        .expect("accepted");
    sender.pass(&page).await.expect("passed");
    tokio::time::sleep(Duration::from_millis(60)).await;
    for _ in 0..5 {
        sender.overdue(&page, true).await.expect("looked");
    }
    assert_eq!(
        outbox
            .get(&accepted.id)
            .await
            .expect("read")
            .expect("there")
            .state,
        RowState::Unknown
    );
    assert_eq!(*whatsapp.asked.lock().expect("lock"), 1);
    // A new page may know more.
    sender.settle(&page).await.expect("asked");
    assert_eq!(*whatsapp.asked.lock().expect("lock"), 2);
    store.close().await;
}

#[tokio::test]
async fn a_lease_that_is_lost_is_taken_back_and_nothing_stays_behind() {
    let dir = tempfile::tempdir().expect("tempdir");
    let (store, outbox, sender) = still(dir.path(), config::Send::default()).await;
    let page: Arc<dyn PageSending> = Arc::new(FakeWhatsApp::default());
    // Takes the lease as another gateway would.
    store.lease(&client()).await.expect("taken");
    let first = outbox
        .accept(request("first", None))
        .await
        .expect("accepted");
    assert_eq!(
        sender.pass(&page).await.expect("passed"),
        Progress::LeaseLost,
        "a pass that did nothing says that it went"
    );
    assert_eq!(
        outbox
            .get(&first.id)
            .await
            .expect("read")
            .expect("there")
            .state,
        RowState::Queued
    );
    store.close().await;

    let gateway = Gateway::start(dir.path()).await;
    let whatsapp = Arc::new(FakeWhatsApp::default());
    gateway.page(&whatsapp);
    gateway.until_stored(&first.id).await;
    gateway.store.lease(&client()).await.expect("taken");
    let second = gateway
        .outbox
        .accept(request("second", None))
        .await
        .expect("accepted");
    gateway.until_stored(&second.id).await;
    assert_eq!(
        *whatsapp.order.lock().expect("lock"),
        [first.message_id, second.message_id]
    );
}
