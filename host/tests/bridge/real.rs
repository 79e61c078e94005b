//! Behaviour of WhatsApp Web's production modules that was not expected. The stand-in behaves as
//! they do.

use serde_json::json;
use wharf::{
    model::{Account as Me, Timestamp},
    whatsapp::{ContractReport, Renamed, TimeLock},
};

use super::*;

const NUMBER: &str = "4915123456789";

async fn linked(settings: serde_json::Value) -> (TestPage, Open, Address) {
    let test_page = test_page(settings).await;
    let open = test_page.link(Account::default()).await;
    let address = open
        .resolve(NUMBER)
        .await
        .expect("resolved")
        .expect("exists");
    (test_page, open, address)
}

impl Open {
    /// All events up to the one that `last` accepts.
    pub(super) async fn all_until(
        &mut self,
        what: &str,
        last: impl Fn(&PageEvent) -> bool,
    ) -> Vec<PageEvent> {
        let mut told = Vec::new();
        let waiting = async {
            while !told.last().is_some_and(&last) {
                told.push(self.next().await);
            }
        };
        timeout(LIMIT, waiting)
            .await
            .unwrap_or_else(|_| panic!("no {what}"));
        told
    }

    pub(super) async fn reload(&mut self) {
        self.page.reload().await.expect("loaded anew");
        self.until("a new document", |event| *event == PageEvent::Navigated)
            .await;
        self.ready().await;
    }
}

fn is_ready(event: &PageEvent) -> bool {
    matches!(event, PageEvent::Status(status) if status.stage() == Stage::Ready)
}

fn bans(told: &[PageEvent]) -> usize {
    told.iter()
        .filter(|event| matches!(event, PageEvent::Banned { .. }))
        .count()
}

#[tokio::test]
async fn a_login_announces_a_ban_that_is_none_and_it_is_told_to_nobody() {
    let test_page = test_page(json!({"clock": 0.2})).await;
    let mut open = test_page.open().await;
    let PageEvent::Qr { code, .. } = open
        .until("a QR", |event| matches!(event, PageEvent::Qr { .. }))
        .await
    else {
        unreachable!()
    };
    test_page
        .standin
        .scan(Some(&code), Account::default())
        .await
        .expect("scanned");
    assert_eq!(
        bans(&open.all_until("readiness", is_ready).await),
        0,
        "at the login"
    );
    test_page.standin.network(false);
    open.until(
        "the loss",
        |event| matches!(event, PageEvent::Status(status) if status.stage() == Stage::Offline),
    )
    .await;
    test_page.standin.network(true);
    assert_eq!(
        bans(&open.all_until("the connection", is_ready).await),
        0,
        "at a reconnection"
    );
    test_page.standin.push(
        None,
        json!({"type": "failure", "code": 402, "expire": 3600}),
    );
    let PageEvent::Banned { until, code } = open
        .until("a ban", |event| matches!(event, PageEvent::Banned { .. }))
        .await
    else {
        unreachable!()
    };
    assert!(
        until.is_some_and(|until| until > Timestamp::now()) && code == "101",
        "{until:?} {code}"
    );
    open.page.close().await;
}

#[tokio::test]
async fn a_refusal_is_told_with_its_own_code_whether_or_not_the_account_is_locked() {
    let (test_page, mut open, address) = linked(json!({"nacks": [463, 429, 475]})).await;
    let ends = Timestamp::now().0 / 1000 + 3600;
    // The page does not react to a 463; the bridge asks WhatsApp for the lock.
    test_page.standin.set(json!({"timelockEnds": ends}));
    let end = Some(Timestamp(ends * 1000));
    open.send(&id(1), &address.chat, "to a stranger")
        .await
        .expect("stored");
    let told = open
        .all_until(
            "a refusal",
            |event| matches!(event, PageEvent::Send(news) if news.id == id(1)),
        )
        .await;
    let locked = told.iter().any(|event| matches!(event, PageEvent::Status(status) if status.time_lock == Some(TimeLock { until: end })));
    assert!(locked, "the lock is told before the refusal: {told:?}");
    let Some(PageEvent::Send(news)) = told.last() else {
        unreachable!()
    };
    assert_eq!(
        news.what,
        SendProgress::Refused {
            code: Some(463),
            until: end,
            reason: "ack -1".into()
        }
    );
    for (n, code) in [(2, 429), (3, 475)] {
        open.send(&id(n), &address.chat, "while it is locked")
            .await
            .expect("stored");
        let SendProgress::Refused {
            code: told, until, ..
        } = open.progress(&id(n)).await
        else {
            panic!("not refused")
        };
        assert_eq!((told, until), (Some(code), None));
    }
    test_page.standin.set(json!({"timelockEnds": null}));
    test_page
        .standin
        .push(None, json!({"type": "reachout-timelock", "locked": false}));
    open.until(
        "the end of the lock",
        |event| matches!(event, PageEvent::Status(status) if status.time_lock.is_none()),
    )
    .await;
    open.page.close().await;
}

#[tokio::test]
async fn a_build_that_hides_its_codes_counts_as_locked_when_whatsapp_says_so() {
    let (test_page, mut open, address) =
        linked(json!({"nacks": [500, 463], "missing": ["WAWebSendMsgJob.encryptAndSendMsg"]}))
            .await;
    open.send(&id(1), &address.chat, "one")
        .await
        .expect("stored");
    assert!(matches!(
        open.progress(&id(1)).await,
        SendProgress::Refused { code: None, .. }
    ));
    test_page
        .standin
        .set(json!({"timelockEnds": Timestamp::now().0 / 1000 + 3600}));
    open.send(&id(2), &address.chat, "two")
        .await
        .expect("stored");
    assert!(matches!(
        open.progress(&id(2)).await,
        SendProgress::Refused {
            code: Some(463),
            until: Some(_),
            ..
        }
    ));
    open.page.close().await;
}

#[tokio::test]
async fn what_is_in_the_database_only_is_found_sent_again_and_quoted() {
    let (test_page, mut open, address) = linked(json!({"ackDelay": null})).await;
    let inbound = |n: u8| Inbound {
        from: NUMBER.into(),
        body: format!("question {n}"),
        id: Some(format!("3A{n:018}")),
        ..Inbound::default()
    };
    for n in 0..4 {
        test_page.standin.inbound(inbound(n)).expect("sent");
        open.message().await;
    }
    for n in 1..=4 {
        open.send(&id(n), &address.chat, &format!("held up {n}"))
            .await
            .expect("stored");
    }
    open.reload().await;
    let found = open
        .page
        .find(&id(1), &address.chat)
        .await
        .expect("asked")
        .expect("it is in the database");
    assert!(
        found.failed && found.ack.is_none() && found.key.ends_with(&id(1).0),
        "{found:?}"
    );
    test_page
        .standin
        .set(json!({"ackDelay": 5, "deliveredDelay": null}));
    open.page
        .resend(&id(1), &address.chat)
        .await
        .expect("sent again");
    assert_eq!(
        open.progress(&id(1)).await,
        SendProgress::Ack(AckLevel::Server)
    );
    let stored = open
        .send(&id(2), &address.chat, "another text")
        .await
        .expect("known");
    assert!(stored.duplicate);
    assert_eq!(
        open.page.find(&id(9), &address.chat).await,
        Ok(None),
        "what it never had"
    );

    let quoted: MessageId = serde_json::from_value(json!(inbound(0).id)).expect("id");
    open.put(
        &id(7),
        &address.chat,
        Content::text("an answer"),
        Some(&quoted),
    )
    .await
    .expect("quoted from the database");
    let arrived = test_page
        .standin
        .wait_for("the answer", LIMIT, |view| {
            view.messages
                .iter()
                .any(|message| message.body == "an answer")
        })
        .await
        .expect("arrived");
    let answer = arrived
        .messages
        .iter()
        .find(|message| message.body == "an answer")
        .expect("there");
    assert_eq!(
        answer.quoted.as_ref().expect("a quote")["body"],
        "question 0"
    );
    open.page.close().await;
}

#[tokio::test]
async fn what_was_revoked_or_edited_on_the_phone_had_been_sent() {
    let (test_page, mut open, address) = linked(json!({"deliveredDelay": null})).await;
    for n in 1..=3 {
        open.send(&id(n), &address.chat, "hello")
            .await
            .expect("stored");
        assert_eq!(
            open.progress(&id(n)).await,
            SendProgress::Ack(AckLevel::Server)
        );
    }
    test_page.standin.push(
        None,
        json!({"type": "revoke", "id": id(1), "by": "3A00000000000000000A"}),
    );
    test_page.standin.push(
        None,
        json!({"type": "edit", "id": id(2), "by": "3A00000000000000000B", "body": "changed"}),
    );
    // The news of both passes the bridge's listeners before the news of this message.
    open.send(&id(4), &address.chat, "afterwards")
        .await
        .expect("stored");
    assert_eq!(
        open.progress(&id(4)).await,
        SendProgress::Ack(AckLevel::Server)
    );
    for life in ["the same page", "after a reload"] {
        for n in [1, 2] {
            let found = open
                .page
                .find(&id(n), &address.chat)
                .await
                .expect("asked")
                .unwrap_or_else(|| panic!("{n} is forgotten, {life}"));
            assert_eq!(
                (found.ack, found.failed),
                (Some(AckLevel::Server), false),
                "{n}, {life}"
            );
        }
        assert!(
            matches!(
                open.page.resend(&id(2), &address.chat).await,
                Err(PageError::Refused { .. })
            ),
            "an edited text under the old id, {life}"
        );
        if life == "the same page" {
            open.reload().await;
        }
    }
    open.page.close().await;
}

#[tokio::test]
async fn status_posts_are_no_messages_and_no_chat_is_made_for_a_group_that_is_none() {
    let (test_page, mut open, _) = linked(json!({})).await;
    let post = Inbound {
        from: NUMBER.into(),
        body: "look at me".into(),
        group: Some("status@broadcast".into()),
        ..Inbound::default()
    };
    test_page.standin.inbound(post).expect("posted");
    test_page
        .standin
        .inbound(Inbound {
            from: NUMBER.into(),
            body: "hello".into(),
            ..Inbound::default()
        })
        .expect("sent");
    assert_eq!(open.message().await.content.body(), Some("hello"));
    let refused = open
        .send(&id(1), "120363041477902@g.us", "to a group that is none")
        .await;
    assert_eq!(refused.map(drop), Err(PageError::NoSuchChat));
    // The page knows the number of an opaque id from the message; for a stranger's id it has none.
    let both = open
        .resolve(NUMBER)
        .await
        .expect("resolved")
        .expect("exists");
    assert_eq!(
        open.page
            .address(both.lid.as_deref().expect("an id"))
            .await
            .expect("asked"),
        both
    );
    let nobody = Address {
        chat: "999999999999999@lid".into(),
        pn: None,
        lid: Some("999999999999999@lid".into()),
    };
    assert_eq!(open.page.address(&nobody.chat).await, Ok(nobody));
    open.page.close().await;
}

#[tokio::test]
async fn what_was_missed_is_read_from_the_database_page_by_page() {
    let (test_page, mut open, _) = linked(json!({})).await;
    let began = Timestamp::now().minus(Duration::from_secs(60));
    for n in 0..120 {
        test_page
            .standin
            .inbound(Inbound {
                from: NUMBER.into(),
                body: format!("message {n}"),
                ..Inbound::default()
            })
            .expect("sent");
    }
    let told = open
        .all_until("the last message", |event| matches!(event, PageEvent::Message(message) if message.content.body() == Some("message 119")))
        .await;
    assert_eq!(
        told.iter()
            .filter(|event| matches!(event, PageEvent::Message(_)))
            .count(),
        120
    );
    open.reload().await;
    open.page.catch_up(began).await.expect("begun");
    let mut bodies = Vec::new();
    while bodies.len() < 120 {
        let PageEvent::Missed(message) = open
            .until("what was missed", |event| {
                matches!(event, PageEvent::Missed(_))
            })
            .await
        else {
            unreachable!()
        };
        bodies.push(message.content.body().expect("text").to_owned());
    }
    assert_eq!(
        bodies,
        (0..120).map(|n| format!("message {n}")).collect::<Vec<_>>()
    );
    let end = open
        .until("the end", |event| {
            matches!(event, PageEvent::CaughtUp { .. })
        })
        .await;
    assert_eq!(
        end,
        PageEvent::CaughtUp {
            complete: Some(true)
        }
    );
    open.page.close().await;
}

#[tokio::test]
async fn a_version_that_whatsapp_refuses_is_told_before_the_page_loads_itself_anew() {
    let (test_page, mut open, _) = linked(json!({"clock": 0.2})).await;
    test_page.standin.set(json!({"loginFailures": [405]}));
    test_page.standin.network(false);
    test_page.standin.network(true);
    open.until(
        "the refusal",
        |event| matches!(event, PageEvent::Status(status) if status.stage() == Stage::Outdated),
    )
    .await;
    open.until("a new document", |event| *event == PageEvent::Navigated)
        .await;
    open.ready().await;
    open.page.close().await;
}

async fn report(settings: serde_json::Value) -> ContractReport {
    let (test_page, mut open, address) = linked(settings).await;
    open.send(&id(1), &address.chat, "hello")
        .await
        .expect("stored");
    assert_eq!(
        open.progress(&id(1)).await,
        SendProgress::Ack(AckLevel::Server)
    );
    let status = open.page.status().await.expect("asked");
    assert!(
        matches!(status.account, Some(Me { .. })) && status.broken.is_empty(),
        "{status:?}"
    );
    let report = open.page.contract().await.expect("asked");
    assert_eq!(
        test_page.standin.view().reports,
        Vec::<String>::new(),
        "nothing is reported to the makers of the page"
    );
    open.page.close().await;
    report
}

#[tokio::test]
async fn a_build_without_the_loaders_map_works_and_is_told_apart() {
    let usual = report(json!({})).await;
    assert_eq!((usual.loader.as_str(), usual.renamed.len()), ("map", 0));
    for kind in ["none", "other"] {
        let report = report(json!({"moduleMap": kind, "hiddenSerialized": true})).await;
        assert_eq!(report.loader, "import", "{kind}");
        assert!(
            report
                .capabilities
                .iter()
                .all(|capability| capability.ok && !capability.feature.is_empty()),
            "{kind}: {report:?}"
        );
        assert_eq!(
            report.renamed,
            [Renamed {
                what: "MsgKey".into(),
                expected: "_serialized".into(),
                now: Some("$1".into())
            }],
            "{kind}"
        );
    }
}
