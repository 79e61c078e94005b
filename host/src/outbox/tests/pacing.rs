//! Pacing: gaps, budgets and the pause of a session.

use tokio::time::Instant;

use super::{
    in_doubt::still,
    queue::{to, until_stored},
    *,
};
use crate::{outbox::sender::Progress, whatsapp::TimeLock};

fn paced(pacing: config::Pacing) -> config::Send {
    config::Send {
        pacing,
        ..config::Send::default()
    }
}

async fn accept_to(gateway: &Gateway, numbers: &[&str]) -> Vec<MessageId> {
    let mut accepted = Vec::new();
    for number in numbers {
        accepted.push(
            gateway
                .outbox
                .accept(to(number, "hello"))
                .await
                .expect("accepted")
                .message_id,
        );
    }
    accepted
}

#[tokio::test]
async fn sends_keep_their_distance() {
    let dir = tempfile::tempdir().expect("tempdir");
    let pacing = config::Pacing {
        min_gap: config::Millis(300),
        jitter: config::Millis(100),
        ..config::Pacing::default()
    };
    let gateway = Gateway::with(dir.path(), paced(pacing)).await;
    let whatsapp = Arc::new(FakeWhatsApp::default());
    let began = Instant::now();
    gateway.page(&whatsapp);
    let accepted = accept_to(
        &gateway,
        &[
            "4915100000001",
            "4915100000002",
            "4915100000001",
            "4915100000003",
        ],
    )
    .await;
    until_stored(&whatsapp, 4).await;
    assert!(
        began.elapsed() >= Duration::from_millis(900),
        "{:?}",
        began.elapsed()
    );
    assert!(
        began.elapsed() < Duration::from_millis(3000),
        "it waited for more than its turn: {:?}",
        began.elapsed()
    );
    assert_eq!(*whatsapp.order.lock().expect("lock"), accepted);
}

#[tokio::test]
async fn a_budget_is_not_refilled_by_a_restart() {
    let dir = tempfile::tempdir().expect("tempdir");
    let settings = || {
        paced(config::Pacing {
            warm_up: vec![2],
            ..config::Pacing::default()
        })
    };
    let whatsapp = Arc::new(FakeWhatsApp::default());
    let gateway = Gateway::with(dir.path(), settings()).await;
    gateway.page(&whatsapp);
    accept_to(
        &gateway,
        &["4915100000001", "4915100000002", "4915100000003"],
    )
    .await;
    until_stored(&whatsapp, 2).await;
    gateway.crash().await;
    let (store, _, sender) = still(dir.path(), settings()).await;
    let page: Arc<dyn PageSending> = Arc::<FakeWhatsApp>::clone(&whatsapp);
    sender.settle(&page).await.expect("asked");
    assert!(matches!(sender.pass(&page).await, Ok(Progress::Until(_))));
    assert_eq!(whatsapp.order.lock().expect("lock").len(), 2);
    store.close().await;
}

#[tokio::test]
async fn strangers_have_a_budget_of_their_own() {
    let dir = tempfile::tempdir().expect("tempdir");
    let pacing = config::Pacing {
        cold_per_day: 1,
        ..config::Pacing::default()
    };
    let gateway = Gateway::with(dir.path(), paced(pacing)).await;
    let whatsapp = Arc::new(FakeWhatsApp::default());
    gateway.page(&whatsapp);
    let first = accept_to(&gateway, &["4915100000001"]).await.remove(0);
    until_stored(&whatsapp, 1).await;
    gateway.ack(&first, AckLevel::Server).await;
    let later = accept_to(&gateway, &["4915100000002", "4915100000001"]).await;
    until_stored(&whatsapp, 2).await;
    assert_eq!(
        *whatsapp.order.lock().expect("lock"),
        [first, later[1].clone()],
        "only the known one passes"
    );
}

#[tokio::test]
async fn a_stranger_leaves_the_queue_although_the_pacing_ends_the_pass() {
    let dir = tempfile::tempdir().expect("tempdir");
    let pacing = config::Pacing {
        min_gap: config::Millis(3_600_000),
        ..config::Pacing::default()
    };
    let (store, outbox, sender) = still(dir.path(), paced(pacing)).await;
    let whatsapp = Arc::new(FakeWhatsApp::default());
    let page: Arc<dyn PageSending> = Arc::<FakeWhatsApp>::clone(&whatsapp);
    let (known, stranger) = ("4915100000001", "4915100000002");
    store
        .know(&client(), vec![known.parse().expect("number")])
        .await
        .expect("known");
    outbox
        .time_lock(&client(), None, Some(TimeLock::default()))
        .await
        .expect("locked");
    let mut accepted = Vec::new();
    for number in [stranger, known, known] {
        accepted.push(outbox.accept(to(number, "hello")).await.expect("accepted"));
    }
    assert!(matches!(sender.pass(&page).await, Ok(Progress::Until(_))));
    assert_eq!(
        *whatsapp.order.lock().expect("lock"),
        [accepted[1].message_id.clone()]
    );
    let line: Vec<OutboxId> = store
        .next_queued(&client(), None, 16)
        .await
        .expect("read")
        .into_iter()
        .map(|row| row.id)
        .collect();
    assert_eq!(line, [accepted[2].id.clone()]);
    store.close().await;
}

#[tokio::test]
async fn a_paused_session_sends_nothing_until_it_goes_on_also_across_a_restart() {
    let dir = tempfile::tempdir().expect("tempdir");
    let (store, outbox, _) = still(dir.path(), config::Send::default()).await;
    let pause = async |outbox: &Outbox, wanted| {
        outbox
            .pause(&client(), wanted)
            .await
            .expect("noted")
            .paused_at
    };
    let paused = pause(&outbox, true).await;
    assert!(paused.is_some());
    store.close().await;

    let (store, outbox, sender) = still(dir.path(), config::Send::default()).await;
    let whatsapp = Arc::new(FakeWhatsApp::default());
    let page: Arc<dyn PageSending> = Arc::<FakeWhatsApp>::clone(&whatsapp);
    let accepted = outbox
        .accept(to("4915100000001", "hello"))
        .await
        .expect("accepted");
    assert!(matches!(sender.pass(&page).await, Ok(Progress::Idle)));
    assert!(whatsapp.order.lock().expect("lock").is_empty());
    assert_eq!(pause(&outbox, true).await, paused, "since the first time");
    assert_eq!(pause(&outbox, false).await, None);
    sender.pass(&page).await.expect("passed");
    assert_eq!(*whatsapp.order.lock().expect("lock"), [accepted.message_id]);
    store.close().await;
}
