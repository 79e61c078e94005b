//! Pacing: gaps, budgets and the pause of a session.

use tokio::time::Instant;

use super::{
    queue::{to, until_stored},
    *,
};

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
    let gateway = Gateway::with(dir.path(), settings()).await;
    gateway.page(&whatsapp);
    // Once the page was asked about both messages, the sender is at work.
    let asked = || *whatsapp.asked.lock().expect("lock");
    while asked() < 2 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(whatsapp.order.lock().expect("lock").len(), 2);
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
async fn a_paused_session_sends_nothing_until_it_goes_on_also_across_a_restart() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    let paused = gateway
        .outbox
        .pause(&client(), true)
        .await
        .expect("paused")
        .paused_at;
    assert!(paused.is_some());
    gateway.crash().await;
    let gateway = Gateway::start(dir.path()).await;
    let whatsapp = Arc::new(FakeWhatsApp::default());
    gateway.page(&whatsapp);
    accept_to(&gateway, &["4915100000001"]).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(whatsapp.order.lock().expect("lock").is_empty());
    assert_eq!(
        gateway
            .outbox
            .pause(&client(), true)
            .await
            .expect("paused")
            .paused_at,
        paused,
        "since the first time"
    );
    assert_eq!(
        gateway
            .outbox
            .pause(&client(), false)
            .await
            .expect("goes on")
            .paused_at,
        None
    );
    until_stored(&whatsapp, 1).await;
}
