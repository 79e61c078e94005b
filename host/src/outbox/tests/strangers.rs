//! Restrictions of WhatsApp, and which recipients they concern.

use super::{queue::until_stored, *};
use crate::{
    model::{Restriction, RestrictionKind},
    whatsapp::TimeLock,
};

const KNOWN: &str = "4915100000001";
const STRANGER: &str = "4915100000002";

fn number(digits: &str) -> Recipient {
    digits.parse().expect("number")
}

async fn accept(gateway: &Gateway, digits: &str) -> Accepted {
    gateway
        .outbox
        .accept(SendRequest {
            to: number(digits),
            ..request("hello", None)
        })
        .await
        .expect("accepted")
}

async fn refused(gateway: &Gateway, accepted: &Accepted, code: u32) -> OutboxRow {
    gateway.until(&accepted.id, RowState::Sending).await;
    // The page reports it twice: the message has the code, the result of the send does not.
    let news = [Some(code), None].map(|code| {
        let what = SendProgress::Refused {
            code,
            until: None,
            reason: "ERROR_UNKNOWN".into(),
        };
        SendNews {
            id: accepted.message_id.clone(),
            address: chat(),
            what,
        }
    });
    gateway
        .outbox
        .on_send_news(&client(), None, news.into())
        .await
        .expect("noted");
    gateway.until(&accepted.id, RowState::NotSent).await
}

async fn parked(gateway: &Gateway, accepted: &Accepted) -> OutboxRow {
    for _ in 0..500 {
        let row = gateway
            .outbox
            .get(&accepted.id)
            .await
            .expect("read")
            .expect("there");
        if gateway
            .outbox
            .history(&row)
            .await
            .expect("history")
            .last()
            .is_some_and(|step| step.kind == "held")
        {
            assert_eq!(row.state, RowState::Queued);
            return row;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it was not taken out of the line")
}

async fn kinds(gateway: &Gateway) -> Vec<RestrictionKind> {
    gateway
        .outbox
        .restrictions(&client())
        .await
        .expect("read")
        .iter()
        .map(|restriction| restriction.kind)
        .collect()
}

/// A gateway whose session has one acquaintance.
async fn acquainted(dir: &Path, whatsapp: &Arc<FakeWhatsApp>) -> Gateway {
    let gateway = Gateway::start(dir).await;
    gateway.page(whatsapp);
    let first = accept(&gateway, KNOWN).await;
    gateway.until(&first.id, RowState::Sending).await;
    gateway.ack(&first.message_id, AckLevel::Server).await;
    gateway
}

#[tokio::test]
async fn a_refusal_of_new_chats_holds_back_strangers_alone_and_across_a_restart() {
    let dir = tempfile::tempdir().expect("tempdir");
    let whatsapp = Arc::new(FakeWhatsApp::default());
    let gateway = acquainted(dir.path(), &whatsapp).await;
    let row = refused(&gateway, &accept(&gateway, STRANGER).await, 475).await;
    assert_eq!(row.code, Some(FailureCode::Restricted));
    assert_eq!(kinds(&gateway).await, [RestrictionKind::NewChatLimit]);

    let waits = accept(&gateway, "4915100000003").await;
    let goes = accept(&gateway, KNOWN).await;
    gateway.until(&goes.id, RowState::Sending).await;
    parked(&gateway, &waits).await;
    gateway.crash().await;
    let gateway = Gateway::start(dir.path()).await;
    gateway.page(&whatsapp);
    let again = accept(&gateway, KNOWN).await;
    gateway.until(&again.id, RowState::Sending).await;
    assert_eq!(
        gateway
            .outbox
            .get(&waits.id)
            .await
            .expect("read")
            .expect("there")
            .state,
        RowState::Queued
    );

    gateway.outbox.lift(&client()).await.expect("lifted");
    gateway.until(&waits.id, RowState::Sending).await;
    assert_eq!(kinds(&gateway).await, []);
    let events = gateway.events().await;
    assert_eq!(
        events
            .iter()
            .filter(|kind| *kind == "session.restriction")
            .count(),
        2,
        "its beginning and its end: {events:?}"
    );
}

#[tokio::test]
async fn who_writes_is_no_stranger_any_more_and_what_waited_for_them_goes_in_its_order() {
    for by_lid in [false, true] {
        let dir = tempfile::tempdir().expect("tempdir");
        let whatsapp = Arc::new(FakeWhatsApp::default());
        let gateway = acquainted(dir.path(), &whatsapp).await;
        gateway
            .outbox
            .time_lock(&client(), None, Some(TimeLock::default()))
            .await
            .expect("locked");
        if by_lid {
            gateway
                .store
                .cache_address(&client(), &STRANGER.parse().expect("number"), &chat())
                .await
                .expect("cached");
        }
        let waits = [
            accept(&gateway, STRANGER).await,
            accept(&gateway, STRANGER).await,
            accept(&gateway, "4915100000003").await,
        ];
        parked(&gateway, &waits[2]).await;
        let written = Address {
            chat: format!("{STRANGER}@c.us"),
            pn: Some(format!("{STRANGER}@c.us")),
            lid: None,
        };
        let written = if by_lid {
            Address { pn: None, ..chat() }
        } else {
            written
        };
        let message = crate::model::InboundMessage {
            id: MessageId("in".into()),
            chat: written.clone(),
            sender: written,
            from_me: false,
            push_name: None,
            sent_at: Timestamp::now(),
            content: Content::text("who are you?"),
            reply_to: None,
        };
        let envelope =
            gateway
                .outbox
                .inner
                .events
                .prepare(&client(), None, Event::MessageReceived(message));
        assert_eq!(
            gateway
                .store
                .append_inbound(vec![(MessageId("in".into()), envelope)])
                .await,
            Ok(1)
        );
        // The state `sending` is set before the page has the message.
        until_stored(&whatsapp, 3).await;
        let order = whatsapp.order.lock().expect("lock").clone();
        assert_eq!(
            order[1..],
            [waits[0].message_id.clone(), waits[1].message_id.clone()],
            "by lid: {by_lid}"
        );
        assert_eq!(
            gateway
                .outbox
                .get(&waits[2].id)
                .await
                .expect("read")
                .expect("there")
                .state,
            RowState::Queued
        );
    }
}

#[tokio::test]
async fn a_chat_that_is_older_than_the_gateway_is_known_to_the_page() {
    let dir = tempfile::tempdir().expect("tempdir");
    let whatsapp = Arc::new(FakeWhatsApp {
        established: HashSet::from([STRANGER.to_owned()]),
        ..FakeWhatsApp::default()
    });
    let gateway = acquainted(dir.path(), &whatsapp).await;
    gateway
        .outbox
        .time_lock(&client(), None, Some(TimeLock::default()))
        .await
        .expect("locked");
    let (waits, goes) = (
        accept(&gateway, "4915100000003").await,
        accept(&gateway, STRANGER).await,
    );
    gateway.until(&goes.id, RowState::Sending).await;
    parked(&gateway, &waits).await;
    gateway
        .outbox
        .time_lock(&client(), None, None)
        .await
        .expect("unlocked");
    gateway.until(&waits.id, RowState::Sending).await;
}

#[tokio::test]
async fn an_end_that_whatsapp_told_is_kept_and_comes_true() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = acquainted(dir.path(), &Arc::new(FakeWhatsApp::default())).await;
    let end = async || {
        gateway
            .outbox
            .restrictions(&client())
            .await
            .expect("read")
            .first()
            .map(|one| one.until)
    };
    let hour = Timestamp::now().plus_millis(3_600_000);
    for until in [hour, Timestamp::now().plus_millis(3_000)] {
        gateway
            .outbox
            .time_lock(&client(), None, Some(TimeLock { until: Some(until) }))
            .await
            .expect("locked");
        assert_eq!(end().await, Some(until), "as it was told, later or earlier");
    }
    let waits = accept(&gateway, STRANGER).await;
    parked(&gateway, &waits).await;
    gateway.until(&waits.id, RowState::Sending).await;
    assert_eq!(end().await, None);
}

#[tokio::test]
async fn a_restriction_ends_by_itself_and_one_that_goes_on_is_told_once() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = acquainted(dir.path(), &Arc::new(FakeWhatsApp::default())).await;
    let now = Timestamp::now();
    let over = Restriction {
        kind: RestrictionKind::NewChatLimit,
        since: now,
        until: now,
    };
    let event = gateway.outbox.inner.events.prepare(
        &client(),
        None,
        Event::Other {
            kind: "x".into(),
            json: "{}".into(),
        },
    );
    assert_eq!(
        gateway
            .store
            .restrict(&client(), over, true, || event)
            .await,
        Ok(true)
    );
    let goes = accept(&gateway, STRANGER).await;
    gateway.until(&goes.id, RowState::Sending).await;
    assert_eq!(kinds(&gateway).await, []);

    for _ in 0..3 {
        gateway
            .outbox
            .time_lock(&client(), None, Some(TimeLock::default()))
            .await
            .expect("locked");
    }
    let events = gateway.events().await;
    assert_eq!(
        events
            .iter()
            .filter(|kind| *kind == "session.restriction")
            .count(),
        2,
        "one ended, one began: {events:?}"
    );
}

#[tokio::test]
async fn many_that_wait_for_a_budget_do_not_stand_in_the_queue() {
    let dir = tempfile::tempdir().expect("tempdir");
    let pacing = config::Pacing {
        cold_per_day: 2,
        ..config::Pacing::default()
    };
    let gateway = Gateway::with(
        dir.path(),
        config::Send {
            pacing,
            ..config::Send::default()
        },
    )
    .await;
    let whatsapp = Arc::new(FakeWhatsApp::default());
    let mut accepted = Vec::new();
    for digits in 0..40 {
        accepted.push(accept(&gateway, &format!("49151000001{digits:02}")).await);
    }
    gateway.page(&whatsapp);
    parked(&gateway, &accepted[39]).await;
    let order = whatsapp.order.lock().expect("lock").clone();
    assert_eq!(
        order,
        [
            accepted[0].message_id.clone(),
            accepted[1].message_id.clone()
        ],
        "the first of the line had the budget"
    );
    assert_eq!(
        gateway
            .store
            .next_queued(&client(), None, 100)
            .await
            .expect("read"),
        []
    );
    assert_eq!(
        gateway.outbox.cancel_queued(&client(), "purged").await,
        Ok(38),
        "they can be taken back"
    );
}

#[tokio::test]
async fn a_pace_of_its_own_takes_the_place_of_the_common_one_and_somebody_is_shown_typing() {
    let dir = tempfile::tempdir().expect("tempdir");
    let own = config::PacingOverride {
        typing: Some(config::Millis(10)),
        min_gap: Some(config::Millis(0)),
        ..config::PacingOverride::default()
    };
    let common = config::Pacing {
        min_gap: config::Millis(3_600_000),
        ..config::Pacing::default()
    };
    let pacings = BTreeMap::from([(client(), own.over(&common))]);
    let gateway = Gateway::paced(
        dir.path(),
        config::Send {
            pacing: common,
            ..config::Send::default()
        },
        pacings,
    )
    .await;
    let whatsapp = Arc::new(FakeWhatsApp::default());
    gateway.page(&whatsapp);
    for digits in [KNOWN, STRANGER] {
        let accepted = accept(&gateway, digits).await;
        gateway.until(&accepted.id, RowState::Sending).await;
    }
    let typed = whatsapp.typed.lock().expect("lock").clone();
    assert_eq!(
        typed,
        [KNOWN, STRANGER].map(|digits| (format!("{digits}@c.us"), Duration::from_millis(50))),
        "10 ms for each of 5 characters"
    );
}

#[tokio::test]
async fn who_may_not_wait_is_told_what_holds_the_send_back() {
    let dir = tempfile::tempdir().expect("tempdir");
    let pacing = config::Pacing {
        min_gap: config::Millis(3_600_000),
        ..config::Pacing::default()
    };
    let settings = config::Send {
        when_busy: config::WhenBusy::Reject,
        pacing,
        ..config::Send::default()
    };
    let gateway = Gateway::with(dir.path(), settings).await;
    let held = async |digits: &str| {
        gateway
            .outbox
            .held_back(&client(), &number(digits))
            .await
            .expect("read")
    };
    assert_eq!(held(KNOWN).await, None);
    gateway
        .outbox
        .time_lock(&client(), None, Some(TimeLock::default()))
        .await
        .expect("locked");
    assert_eq!(
        held(STRANGER).await,
        None,
        "without a page nobody can tell who is a stranger"
    );
    gateway.page(&Arc::new(FakeWhatsApp::default()));
    let restricted = held(STRANGER).await.expect("held back");
    assert!(
        restricted.reason.contains("nobody new") && restricted.retry_after.is_some(),
        "{restricted:?}"
    );
    gateway
        .store
        .know(&client(), vec![number(KNOWN)])
        .await
        .expect("known");
    assert_eq!(held(KNOWN).await, None, "a restriction concerns strangers");

    let first = accept(&gateway, KNOWN).await;
    gateway.until(&first.id, RowState::Sending).await;
    let paced = held(KNOWN).await.expect("held back");
    assert!(
        paced.reason.contains("pacing")
            && paced
                .retry_after
                .is_some_and(|time| time > Duration::from_secs(3000)),
        "{paced:?}"
    );
    gateway.outbox.pause(&client(), true).await.expect("paused");
    assert_eq!(held(KNOWN).await.expect("held back").retry_after, None);
}

#[tokio::test]
async fn who_may_not_wait_is_not_refused_a_contact_that_only_the_page_knows() {
    let dir = tempfile::tempdir().expect("tempdir");
    let pacing = config::Pacing {
        cold_per_day: 1,
        ..config::Pacing::default()
    };
    let settings = config::Send {
        when_busy: config::WhenBusy::Reject,
        pacing,
        ..config::Send::default()
    };
    let gateway = Gateway::with(dir.path(), settings).await;
    let whatsapp = Arc::new(FakeWhatsApp {
        established: HashSet::from(["4915100000003".to_owned(), "4915100000004".to_owned()]),
        ..FakeWhatsApp::default()
    });
    gateway.page(&whatsapp);
    let held = async |digits: &str| {
        gateway
            .outbox
            .held_back(&client(), &number(digits))
            .await
            .expect("read")
    };
    let first = accept(&gateway, KNOWN).await;
    gateway.until(&first.id, RowState::Sending).await;
    let used_up = held(STRANGER).await.expect("held back");
    assert!(used_up.reason.contains("budget"), "{used_up:?}");
    assert_eq!(held("4915100000003").await, None);
    assert_eq!(
        gateway
            .store
            .knows(&client(), &number("4915100000003"))
            .await,
        Ok(true),
        "the page is not asked again"
    );
    gateway
        .outbox
        .time_lock(&client(), None, Some(TimeLock::default()))
        .await
        .expect("locked");
    assert_eq!(held("4915100000004").await, None);
    let restricted = held(STRANGER).await.expect("held back");
    assert!(restricted.reason.contains("nobody new"), "{restricted:?}");

    // The session has ended, but its last page is still there.
    let Gateway { outbox, pages, .. } = gateway;
    drop(pages);
    assert_eq!(
        outbox
            .held_back(&client(), &number(STRANGER))
            .await
            .expect("read"),
        None
    );
}
