//! What a page reports is bounded: long texts are cut, a flood of messages waits in the page, and
//! acknowledgements do not wait behind it.

use wharf::model::Timestamp;

use super::*;

const ANN: &str = "4917611111111";

fn from_ann(body: &str) -> Inbound {
    Inbound {
        from: ANN.into(),
        body: body.into(),
        ..Inbound::default()
    }
}

#[tokio::test]
async fn a_text_longer_than_a_phone_writes_is_cut_and_says_so() {
    let test_page = test_page(json!({})).await;
    let mut open = test_page.link(Account::default()).await;
    let whole = "ä".repeat(65_536);
    for body in [
        whole.clone(),
        "😀".repeat(65_536),
        "x".repeat(10 << 20),
        format!("x{}", "😀".repeat(65_536)),
    ] {
        test_page.standin.inbound(from_ann(&body)).expect("sent");
    }
    for (length, end) in [
        (65_536, "ä"),
        (65_536, "😀"),
        (131_072, "x… [cut: 10485760 characters]"),
        (65_536, "😀… [cut: 131073 characters]"),
    ] {
        let message = open.message().await;
        let body = message.content.body().expect("text");
        let said = body.split('…').next().expect("a beginning");
        assert!(
            said.chars().count() == length && body.ends_with(end),
            "{} characters that end with {:?}",
            body.len(),
            &body[body.len() - 40..]
        );
    }
    let fields = [
        ("caption".to_owned(), json!("y".repeat(1 << 20))),
        ("filename".to_owned(), json!("z".repeat(1 << 20))),
    ]
    .into();
    test_page
        .standin
        .inbound(Inbound {
            kind: Some("document".into()),
            fields,
            pushname: Some("n".repeat(1 << 20)),
            ..from_ann("")
        })
        .expect("sent");
    let message = open.message().await;
    let Content::Media(media) = &message.content else {
        panic!("{message:?}")
    };
    let lengths = [
        media.caption.as_deref(),
        media.file_name.as_deref(),
        message.push_name.as_deref(),
    ]
    .map(|text| text.expect("there").len());
    assert!(
        lengths
            .iter()
            .zip([131_072, 1024, 1024])
            .all(|(length, limit)| (limit..limit + 64).contains(length)),
        "{lengths:?}"
    );
    open.page.close().await;
}

#[tokio::test]
async fn a_flood_waits_in_the_page_and_an_acknowledgement_passes_it() {
    let test_page = test_page(json!({"deliveredDelay": null})).await;
    let mut open = test_page.link(Account::default()).await;
    let address = open
        .resolve("4915123456789")
        .await
        .expect("resolved")
        .expect("exists");
    let ids: Vec<String> = (0..600)
        .map(|n| {
            test_page
                .standin
                .inbound(from_ann(&n.to_string()))
                .expect("sent")
        })
        .collect();
    test_page
        .standin
        .wait_for("the flood", LIMIT, |view| {
            ids.iter().all(|id| view.confirmed.contains(id))
        })
        .await
        .expect("taken");
    open.send(&id(1), &address.chat, "in between")
        .await
        .expect("stored");
    let mut told = Vec::new();
    loop {
        match timeout(LIMIT, open.events.recv())
            .await
            .expect("in time")
            .expect("the page lives")
        {
            PageEvent::Message(message) => told.push(message.id.0),
            PageEvent::Send(news) => {
                break assert_eq!(
                    (news.id, news.what),
                    (id(1), SendProgress::Ack(AckLevel::Server))
                );
            }
            _ => {}
        }
    }
    assert!(
        (1..300).contains(&told.len()),
        "{} messages are told ahead",
        told.len()
    );
    let held = open.page.status().await.expect("answers").untold_since;
    assert!(held.is_some(), "what waits is not told");
    // Confirming messages lets the page report as many more.
    open.page.recorded(told.len()).await.expect("told");
    while told.len() < ids.len() {
        told.push(open.message().await.id.0);
    }
    assert_eq!(told, ids, "each once, in order");
    assert_eq!(
        open.page.status().await.expect("answers").untold_since,
        None
    );
    open.page.close().await;
}

/// Its end would be taken for that of the catch-up that was asked for since.
#[tokio::test]
async fn the_end_of_a_catch_up_that_was_given_up_is_not_told() {
    let test_page = test_page(json!({})).await;
    let mut open = test_page.link(Account::default()).await;
    let ids: Vec<String> = (0..400)
        .map(|n| {
            test_page
                .standin
                .inbound(from_ann(&n.to_string()))
                .expect("sent")
        })
        .collect();
    test_page
        .standin
        .wait_for("the flood", LIMIT, |view| {
            ids.iter().all(|id| view.confirmed.contains(id))
        })
        .await
        .expect("taken");
    // Both find nothing, and their ends wait behind the flood.
    let later = Timestamp::now().plus_millis(3_600_000);
    for _ in 0..2 {
        open.page.catch_up(later).await.expect("begun");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let (mut messages, mut ends) = (0, 0);
    let quiet = Duration::from_secs(2);
    while messages < ids.len() || ends == 0 {
        match timeout(LIMIT, open.next()).await.expect("in time") {
            PageEvent::Message(_) => messages += 1,
            PageEvent::CaughtUp { .. } => ends += 1,
            _ => {}
        }
    }
    while let Ok(event) = timeout(quiet, open.next()).await {
        assert!(!matches!(event, PageEvent::CaughtUp { .. }), "{event:?}");
    }
    open.page.close().await;
}
