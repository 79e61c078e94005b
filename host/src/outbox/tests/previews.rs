//! A message that waits for its preview holds back its own chat and no other.

use super::{queue::until_stored, *};

fn to(n: usize, text: &str) -> SendRequest {
    let content = Content::Text(crate::model::Text {
        body: text.into(),
        mentions: vec![],
        preview_links: true,
    });
    SendRequest {
        to: format!("4915100000{n:03}").parse().expect("number"),
        content: Requested::Content(content),
        ..request(text, None)
    }
}

#[tokio::test]
async fn links_to_a_phone_that_is_off_hold_up_nobody_who_gets_none() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    let mut accepted = Vec::new();
    for n in 0..20 {
        accepted.push(
            gateway
                .outbox
                .accept(to(n, "see example.org"))
                .await
                .expect("accepted")
                .message_id,
        );
    }
    let behind = gateway
        .outbox
        .accept(to(0, "and this"))
        .await
        .expect("accepted")
        .message_id;
    let code = gateway
        .outbox
        .accept(to(20, "code 123456"))
        .await
        .expect("accepted")
        .message_id;
    let whatsapp = Arc::new(FakeWhatsApp {
        phone_off: AtomicBool::new(true),
        ..FakeWhatsApp::default()
    });
    gateway.page(&whatsapp);
    until_stored(&whatsapp, 1).await;
    assert_eq!(
        *whatsapp.order.lock().expect("lock"),
        std::slice::from_ref(&code)
    );
    let later = gateway
        .outbox
        .accept(to(21, "code 654321"))
        .await
        .expect("accepted")
        .message_id;
    until_stored(&whatsapp, 2).await;
    assert_eq!(*whatsapp.order.lock().expect("lock"), [code, later]);
    let asked = whatsapp.previews.lock().expect("lock").len();
    assert!((1..20).contains(&asked), "{asked} at a time");

    whatsapp.phone_off.store(false, Ordering::Relaxed);
    whatsapp.phone_on.notify_waiters();
    until_stored(&whatsapp, 23).await;
    let order = whatsapp.order.lock().expect("lock").clone();
    let place = |id: &MessageId| order.iter().position(|there| there == id).expect("there");
    assert!(
        place(&accepted[0]) < place(&behind),
        "a chat keeps its order"
    );
    let asked = whatsapp.previews.lock().expect("lock").len();
    assert_eq!(asked, 20, "each once");
}

#[tokio::test]
async fn another_page_is_asked_anew() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    let off = Arc::new(FakeWhatsApp {
        phone_off: AtomicBool::new(true),
        ..FakeWhatsApp::default()
    });
    gateway.page(&off);
    let accepted = gateway
        .outbox
        .accept(to(0, "see example.org"))
        .await
        .expect("accepted");
    for _ in 0..500 {
        if !off.previews.lock().expect("lock").is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let on = Arc::new(FakeWhatsApp::default());
    gateway.page(&on);
    gateway.until_stored(&accepted.id).await;
    assert!(
        off.order.lock().expect("lock").is_empty() && on.previews.lock().expect("lock").len() == 1
    );
}
