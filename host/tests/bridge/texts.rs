//! The options of a text: the message that it replies to, its mentions, and its link preview.

use wharf::model::Location;

use super::{
    kinds::{ANN, BOB, GROUP, from, in_group, text},
    *,
};

#[tokio::test]
async fn an_answer_quotes_what_is_in_the_chat_also_after_a_reload_and_nothing_else() {
    let test_page = test_page(json!({})).await;
    let mut open = test_page.link(Account::default()).await;
    let question = MessageId(
        test_page
            .standin
            .inbound(from(ANN, "how much is it?"))
            .expect("sent"),
    );
    let chat = open.message().await.chat.chat;
    let elsewhere = MessageId(
        test_page
            .standin
            .inbound(from(BOB, "a secret of Bob's"))
            .expect("sent"),
    );
    open.message().await;
    let in_group = MessageId(
        test_page
            .standin
            .inbound(in_group(BOB, "who comes?"))
            .expect("sent"),
    );
    open.message().await;

    open.put(&id(1), &chat, Content::text("ten"), Some(&question))
        .await
        .expect("stored");
    let quoted = test_page.received(&id(1)).await.quoted.expect("a quote");
    assert_eq!(
        (&quoted["id"], &quoted["body"], &quoted["participant"]),
        (&json!(question), &json!("how much is it?"), &json!(chat))
    );
    open.put(&id(2), &chat, Content::text("or eleven"), Some(&id(1)))
        .await
        .expect("stored");
    assert_eq!(
        test_page.received(&id(2)).await.quoted.expect("a quote")["body"],
        "ten",
        "one's own"
    );
    open.put(&id(3), GROUP, Content::text("me"), Some(&in_group))
        .await
        .expect("stored");
    assert_eq!(
        test_page.received(&id(3)).await.quoted.expect("a quote")["id"],
        json!(in_group)
    );
    while open.progress(&id(3)).await != SendProgress::Ack(AckLevel::Server) {}

    // After the reload only the last message of each chat is in memory.
    open.page.reload().await.expect("reloaded");
    open.until("the reload", |event| *event == PageEvent::Navigated)
        .await;
    open.ready().await;
    for (n, to, body, target) in [
        (4, chat.as_str(), "how much is it?", &question),
        (5, &chat, "ten", &id(1)),
        (6, GROUP, "who comes?", &in_group),
    ] {
        let place = Content::Location(Location {
            latitude: 1.0,
            longitude: 2.0,
            name: None,
        });
        let content = if n == 5 {
            place
        } else {
            Content::text("after the reload")
        };
        open.put(&id(n), to, content, Some(target))
            .await
            .expect("stored");
        assert_eq!(
            test_page.received(&id(n)).await.quoted.expect("a quote")["body"],
            body
        );
    }

    for unknown in [id(99), elsewhere, in_group] {
        let refused = open
            .put(&id(7), &chat, Content::text("to whom?"), Some(&unknown))
            .await;
        assert!(
            matches!(&refused, Err(PageError::QuoteNotFound { reason }) if reason.contains("this chat")),
            "{refused:?}"
        );
    }
    let sealed = MessageId(
        test_page
            .standin
            .inbound(Inbound {
                kind: Some("call_log".into()),
                ..from(ANN, "")
            })
            .expect("sent"),
    );
    test_page
        .standin
        .wait_for("the notice", LIMIT, |view| {
            view.confirmed.contains(&sealed.0)
        })
        .await
        .expect("taken");
    let refused = open
        .put(&id(7), &chat, Content::text("to a call?"), Some(&sealed))
        .await;
    assert!(
        matches!(&refused, Err(PageError::QuoteNotFound { reason }) if reason.contains("answered")),
        "{refused:?}"
    );
    assert_eq!(open.page.find(&id(7), &chat).await, Ok(None), "begun");
    test_page.no_reports();
    open.page.close().await;
}

#[tokio::test]
async fn whom_a_text_mentions_is_told_in_the_form_of_the_chat() {
    let test_page = test_page(json!({})).await;
    let mut open = test_page.link(Account::default()).await;
    test_page
        .standin
        .inbound(in_group(ANN, "hello"))
        .expect("sent");
    let ann = open.message().await.sender;
    let (pn, lid) = (ann.pn.expect("a number"), ann.lid.expect("a lid"));
    let user = |wid: &str| wid.split('@').next().expect("a user").to_owned();

    open.put(
        &id(1),
        &lid,
        text(&format!("@{ANN} hi"), &[&pn], true),
        None,
    )
    .await
    .expect("stored");
    let received = test_page.received(&id(1)).await;
    assert_eq!(
        (received.body, received.mentions),
        (format!("@{ANN} hi"), vec![pn.clone()])
    );

    let body = format!("@{ANN} meet @{BOB}, not @{ANN}0");
    open.put(
        &id(2),
        GROUP,
        text(&body, &[&pn, &format!("{BOB}@c.us")], true),
        None,
    )
    .await
    .expect("stored");
    let received = test_page.received(&id(2)).await;
    assert_eq!(
        received.body,
        format!("@{} meet @{BOB}, not @{ANN}0", user(&lid)),
        "a group that speaks in LIDs shows no other mention"
    );
    assert_eq!(
        received.mentions,
        [lid.clone(), format!("{BOB}@c.us")],
        "a LID that is not known cannot be named"
    );

    open.put(
        &id(3),
        GROUP,
        text(&format!("@{}", user(&lid)), &[&lid], true),
        None,
    )
    .await
    .expect("stored");
    assert_eq!(test_page.received(&id(3)).await.mentions, [lid]);
    let refused = open
        .put(&id(4), GROUP, text("@x", &["x"], true), None)
        .await;
    assert!(
        matches!(refused, Err(PageError::Refused { .. })),
        "{refused:?}"
    );
    test_page.no_reports();
    open.page.close().await;
}

#[tokio::test]
async fn a_link_gets_a_preview_if_there_is_one_in_time_and_the_message_goes_in_any_case() {
    let data = json!({"title": "Example", "description": "A domain"});
    let test_page = test_page(json!({"linkPreview": data})).await;
    let open = test_page.link(Account::default()).await;
    let address = open.resolve(ANN).await.expect("resolved").expect("exists");
    let body = "look: https://example.org/a";
    let put = async |n, content: Content| {
        let send = PageSend {
            id: id(n),
            chat: address.chat.clone(),
            content: content.clone(),
            reply_to: None,
        };
        open.page.preview(&send).await.expect("asked");
        open.put(&id(n), &address.chat, content, None)
            .await
            .expect("stored");
        let received = test_page.received(&id(n)).await;
        assert_eq!(received.kind, "chat");
        (received.body, received.preview)
    };
    let (said, preview) = put(1, text(body, &[], true)).await;
    let preview = preview.expect("a preview");
    assert_eq!(
        (said.as_str(), &preview["title"], &preview["matchedText"]),
        (body, &json!("Example"), &json!("https://example.org/a"))
    );
    for (n, content) in [
        (2, text(body, &[], false)),
        (3, text("no link. really", &[], true)),
    ] {
        assert_eq!(put(n, content).await.1, None);
    }
    for (n, settings) in [
        (4, json!({"linkPreview": null})),
        (5, json!({"linkPreviewError": 500})),
    ] {
        test_page.standin.set(settings);
        assert_eq!(put(n, text(body, &[], true)).await, (body.to_owned(), None));
    }
    test_page
        .standin
        .set(json!({"linkPreview": data, "linkPreviewError": null, "linkPreviewDelay": 60_000}));
    for n in [6, 7] {
        assert_eq!(
            put(n, text(body, &[], true)).await,
            (body.to_owned(), None),
            "late"
        );
    }
    // After two time-outs the phone is not asked any more, even when it could answer again.
    test_page.standin.set(json!({"linkPreviewDelay": 0}));
    assert_eq!(put(8, text(body, &[], true)).await, (body.to_owned(), None));
    test_page.no_reports();
    open.page.close().await;
}

#[tokio::test]
async fn a_build_without_previews_and_answers_sends_texts() {
    let test_page = test_page(json!({"missing": ["WALinkify", "WAWebMsgReply"]})).await;
    let open = test_page.link(Account::default()).await;
    let address = open.resolve(ANN).await.expect("resolved").expect("exists");
    open.put(
        &id(1),
        &address.chat,
        text("see example.org", &[], true),
        None,
    )
    .await
    .expect("stored");
    let refused = open
        .put(&id(2), &address.chat, Content::text("yes"), Some(&id(1)))
        .await;
    assert!(
        matches!(&refused, Err(PageError::ContractBroken { missing, .. }) if *missing == ["WAWebMsgReply.canReplyMsg"]),
        "{refused:?}"
    );
    test_page.no_reports();
    open.page.close().await;
}
