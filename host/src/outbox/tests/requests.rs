//! Requests of callers: they are accepted once, reach the page unchanged, or are refused.

use super::{words::poll, *};
use crate::{model::Location, plugins::RenderRequest};

#[tokio::test]
async fn a_key_is_one_message_however_many_ask_at_once() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    let answers = futures_util::future::join_all(
        (0..50).map(|_| gateway.outbox.accept(request("hello", Some("k")))),
    )
    .await;
    let (new, rest): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!(new.len(), 1);
    assert!(
        rest.iter()
            .all(|answer| matches!(answer, Err(AcceptError::InFlight(_))))
    );
    assert_eq!(
        gateway
            .outbox
            .accept(request("another text", Some("k")))
            .await,
        Err(AcceptError::KeyReused)
    );

    gateway.page(&Arc::new(FakeWhatsApp::default()));
    let first = new.into_iter().flatten().next().expect("one");
    gateway.until(&first.id, RowState::Sending).await;
    gateway.ack(&first.message_id, AckLevel::Server).await;
    let again = gateway
        .outbox
        .accept(request("hello", Some("k")))
        .await
        .expect("known");
    assert_eq!((again.id, again.known), (first.id, true));
    assert_eq!(
        gateway
            .outbox
            .accept(request("reject me", Some("k2")))
            .await
            .map_err(|e| e.to_string()),
        Err("words: a bad word".into())
    );
    gateway
        .outbox
        .accept(request("then something else", Some("k2")))
        .await
        .expect("a refused request used up no key");
}

#[tokio::test]
async fn refusals_are_outcomes_of_their_own() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::with(
        dir.path(),
        config::Send {
            max_length: 10,
            ..config::Send::default()
        },
    )
    .await;
    let long = gateway.outbox.accept(request("🦀🦀🦀🦀🦀🦀", None)).await;
    assert_eq!(
        long,
        Err(AcceptError::TooLong {
            length: 12,
            limit: 10
        }),
        "UTF-16 units count"
    );
    assert!(
        matches!(gateway.outbox.accept(request("reject me", None)).await, Err(AcceptError::Rejected(r)) if r.code == "bad_word")
    );
    let made_long = gateway.outbox.accept(request("long one", None)).await;
    assert!(
        matches!(made_long, Err(AcceptError::TooLong { length, .. }) if length == 1 << 20),
        "{made_long:?}"
    );

    gateway.page(&Arc::new(FakeWhatsApp {
        unknown_number: true,
        ..FakeWhatsApp::default()
    }));
    let accepted = gateway
        .outbox
        .accept(request("hello", None))
        .await
        .expect("accepted");
    assert_eq!(
        gateway.until(&accepted.id, RowState::NotSent).await.code,
        Some(FailureCode::NotOnWhatsapp)
    );

    gateway.page(&Arc::new(FakeWhatsApp::default()));
    let accepted = gateway
        .outbox
        .accept(request("hello", None))
        .await
        .expect("accepted");
    gateway.until(&accepted.id, RowState::Sending).await;
    let what = SendProgress::Refused {
        code: Some(475),
        until: None,
        reason: "UserReachedMaxMonthlyLimitForNewMessages".into(),
    };
    gateway
        .outbox
        .on_send_news(
            &client(),
            None,
            vec![SendNews {
                id: accepted.message_id,
                address: chat(),
                what,
            }],
        )
        .await
        .expect("noted");
    let row = gateway.until(&accepted.id, RowState::NotSent).await;
    assert_eq!(row.code, Some(FailureCode::Restricted));
    assert!(row.reason.expect("reason").contains("475"));
}

#[tokio::test]
async fn what_is_asked_for_reaches_the_page_whole_and_an_answer_to_nothing_is_not_sent() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    let whatsapp = Arc::new(FakeWhatsApp::default());
    gateway.page(&whatsapp);
    let place = Content::Location(Location {
        latitude: 52.5,
        longitude: -13.4,
        name: Some("Home".into()),
    });
    let first = gateway
        .outbox
        .accept(SendRequest {
            content: Requested::Content(place.clone()),
            ..request("", None)
        })
        .await
        .expect("accepted");
    gateway.until(&first.id, RowState::Sending).await;

    let answer = |target: &MessageId| SendRequest {
        reply_to: Some(target.clone()),
        ..request("yes", None)
    };
    let lost = gateway
        .outbox
        .accept(answer(&MessageId("3EB0FF".into())))
        .await
        .expect("accepted");
    let row = gateway.until(&lost.id, RowState::NotSent).await;
    assert_eq!(
        (row.code, row.message_key),
        (Some(FailureCode::QuoteNotFound), None)
    );
    assert!(row.reason.is_some_and(|reason| reason.contains("3EB0FF")));
    let found = gateway
        .outbox
        .accept(answer(&first.message_id))
        .await
        .expect("accepted");
    gateway.until_stored(&found.id).await;

    let got = whatsapp.got.lock().expect("lock").clone();
    assert_eq!(
        got.iter().map(|send| &send.id).collect::<Vec<_>>(),
        [&first.message_id, &lost.message_id, &found.message_id]
    );
    assert_eq!(
        (&got[0].content, &got[2].reply_to),
        (&place, &Some(first.message_id))
    );
}

#[tokio::test]
async fn a_kind_that_cannot_be_sent_is_refused_whoever_made_it_and_nothing_is_stored() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    let template = RenderRequest {
        template: "poll".into(),
        locale: None,
        variables: std::collections::BTreeMap::new(),
    };
    for content in [Requested::Content(poll()), Requested::Template(template)] {
        let refused = gateway
            .outbox
            .accept(SendRequest {
                content,
                ..request("", Some("k"))
            })
            .await;
        assert_eq!(refused, Err(AcceptError::KindNotSupported { kind: "poll" }));
    }
    gateway
        .outbox
        .accept(request("hello", Some("k")))
        .await
        .expect("a refused request used up no key");
}
