//! A session that gets another account.

use super::*;
use crate::{
    model::{Restriction, SessionState, Transition},
    store::{Held, Relinked},
};

fn account(pn: &str, lid: &str) -> Account {
    let wid = |user: &str, server: &str| (!user.is_empty()).then(|| format!("{user}@{server}"));
    Account {
        pn: wid(pn, "c.us"),
        lid: wid(lid, "lid"),
        push_name: None,
    }
}

/// As the session's supervisor does at its first transition.
async fn appears(gateway: &Gateway) {
    let (before, after) = (SessionState::Disconnected, SessionState::Loading);
    let step = Transition {
        client: client(),
        at: Timestamp::now(),
        before,
        after,
        reason: "test".into(),
    };
    let event = gateway.outbox.inner.events.prepare(
        &client(),
        None,
        Event::SessionState {
            before,
            after,
            reason: None,
        },
    );
    gateway
        .store
        .record_transition(&step, None, true, event)
        .await
        .expect("recorded");
}

async fn noted(gateway: &Gateway, account: Option<&Account>) {
    gateway
        .outbox
        .note_account(&client(), account)
        .await
        .expect("noted");
}

fn bulk() -> BulkRequest {
    let message = BulkMessage {
        text: Some("to many".into()),
        mentions: vec![],
        link_preview: true,
        template: None,
        locale: None,
        variables: BTreeMap::new(),
        send_at: None,
        expires_at: None,
        priority: Priority::Bulk,
        metadata: vec![],
    };
    let recipients = (0..3)
        .map(|place| {
            (
                format!("4915100000{place:03}").parse().expect("number"),
                BTreeMap::new(),
            )
        })
        .collect();
    BulkRequest {
        client: client(),
        message,
        recipients,
        idempotency: None,
    }
}

#[tokio::test]
async fn what_waits_for_the_account_before_does_not_leave_from_another() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    let outbox = &gateway.outbox;
    appears(&gateway).await;
    noted(&gateway, Some(&account("1", "77"))).await;
    let soon = Timestamp::now().plus_millis(200);
    let later = Timestamp::now().plus_millis(600_000);
    let queued = outbox
        .accept(request("queued", None))
        .await
        .expect("accepted");
    let due = outbox
        .accept(SendRequest {
            send_at: Some(soon),
            ..request("due", None)
        })
        .await
        .expect("accepted");
    let scheduled = outbox
        .accept(SendRequest {
            send_at: Some(later),
            ..request("scheduled", None)
        })
        .await
        .expect("accepted");
    let order = outbox.bulk(bulk()).await.expect("stored");

    // The same account by another of its names, and more of it.
    noted(&gateway, Some(&account("1", ""))).await;
    noted(&gateway, Some(&account("", "77"))).await;
    assert_eq!(outbox.held(&client()).await, Ok(Held::default()));
    noted(&gateway, Some(&account("2", "88"))).await;
    assert_eq!(
        outbox.held(&client()).await,
        Ok(Held {
            messages: 3,
            recipients: 3
        })
    );
    assert_eq!(
        gateway.events().await.last().map(String::as_str),
        Some("session.relinked")
    );

    // New ones leave, past those that are held.
    let whatsapp = Arc::new(FakeWhatsApp::default());
    gateway.page(&whatsapp);
    while Timestamp::now() <= soon {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(
        outbox.take_some().await,
        Ok(false),
        "a recipient of the account before is taken in"
    );
    let new = outbox.accept(request("new", None)).await.expect("accepted");
    gateway.until_stored(&new.id).await;
    assert_eq!(
        *whatsapp.order.lock().expect("lock"),
        std::slice::from_ref(&new.message_id),
        "one of the account before has left"
    );
    let row = outbox.get(&queued.id).await.expect("read").expect("there");
    let last = outbox
        .history(&row)
        .await
        .expect("history")
        .pop()
        .expect("a step");
    assert_eq!(
        (last.kind.as_str(), &last.detail["reason"]),
        ("held", &serde_json::json!("account_changed"))
    );
    gateway.ack(&new.message_id, AckLevel::Server).await;

    // A restart changes nothing of that.
    gateway.crash().await;
    let gateway = Gateway::start(dir.path()).await;
    let outbox = &gateway.outbox;
    noted(&gateway, Some(&account("2", "88"))).await;
    gateway.page(&whatsapp);
    assert_eq!(
        outbox.release_held(&client()).await,
        Ok(Held {
            messages: 3,
            recipients: 3
        })
    );
    for sent in [&queued, &due] {
        gateway.until_stored(&sent.id).await;
    }
    while outbox.take_some().await.expect("taken") {}
    assert_eq!(
        outbox
            .bulk_report(&order)
            .await
            .expect("read")
            .expect("there")
            .counts
            .iter()
            .map(|(_, count)| count)
            .sum::<i64>(),
        3
    );
    assert_eq!(
        outbox
            .get(&scheduled.id)
            .await
            .expect("read")
            .expect("there")
            .state,
        RowState::Queued,
        "its time has not come"
    );
    assert_eq!(outbox.held(&client()).await, Ok(Held::default()));
}

#[tokio::test]
async fn what_is_held_can_be_cancelled_as_a_whole_or_one_by_one() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    let outbox = &gateway.outbox;
    appears(&gateway).await;
    noted(&gateway, Some(&account("1", ""))).await;
    let first = outbox
        .accept(request("first", None))
        .await
        .expect("accepted");
    let second = outbox
        .accept(request("second", None))
        .await
        .expect("accepted");
    outbox.bulk(bulk()).await.expect("stored");
    // A new login of nobody knows whom: it may be another account.
    noted(&gateway, None).await;
    assert_eq!(
        outbox.cancel(&first.id).await.expect("cancelled").state,
        RowState::NotSent
    );
    assert_eq!(
        outbox.cancel_held(&client()).await,
        Ok(Held {
            messages: 1,
            recipients: 3
        })
    );
    assert_eq!(
        outbox
            .get(&second.id)
            .await
            .expect("read")
            .expect("there")
            .code,
        Some(FailureCode::Cancelled)
    );
    assert_eq!(outbox.held(&client()).await, Ok(Held::default()));
    assert_eq!(outbox.take_some().await, Ok(false));
}

#[tokio::test]
async fn another_account_inherits_nothing() {
    for deleted in [false, true] {
        let dir = tempfile::tempdir().expect("tempdir");
        let gateway = Gateway::start(dir.path()).await;
        let (store, ada) = (
            &gateway.store,
            "4915123456789".parse::<PhoneNumber>().expect("number"),
        );
        appears(&gateway).await;
        let whatsapp = Arc::new(FakeWhatsApp {
            keeps_to_itself: true,
            ..FakeWhatsApp::default()
        });
        gateway.page(&whatsapp);
        // An upgrade does not know whose the session was; the first login is taken for that.
        let waits = gateway.outbox.accept(SendRequest {
            send_at: Some(Timestamp::now().plus_millis(600_000)),
            ..request("waits", None)
        });
        let waits = waits.await.expect("accepted");
        noted(&gateway, Some(&account("1", "77"))).await;
        assert_eq!(gateway.outbox.held(&client()).await, Ok(Held::default()));
        let begun = gateway
            .outbox
            .accept(request("begun", None))
            .await
            .expect("accepted");
        gateway.until_stored(&begun.id).await;
        store
            .know(&client(), vec![ada.clone().into()])
            .await
            .expect("noted");
        gateway.outbox.pause(&client(), true).await.expect("paused");
        let restriction = Restriction {
            kind: RestrictionKind::ReachOutTimeLock,
            since: Timestamp::now(),
            until: Timestamp::now().plus_millis(600_000),
        };
        let event = gateway.outbox.inner.events.prepare(
            &client(),
            None,
            Event::Other {
                kind: "test".into(),
                json: "{}".into(),
            },
        );
        store
            .restrict(&client(), restriction, true, move || event)
            .await
            .expect("noted");
        assert!(
            store
                .cached_address(&client(), &ada, Timestamp(0))
                .await
                .expect("read")
                .is_some()
        );

        if deleted {
            store.forget_session(&client()).await.expect("forgotten");
            store.begin_anew(&client()).await.expect("made again");
        } else {
            noted(&gateway, Some(&account("2", "88"))).await;
            let row = gateway.until(&begun.id, RowState::Unknown).await;
            assert!(row.profile_gone, "another page is asked about it");
            store
                .requeue(&begun.id, Timestamp(0), "an answer of the page before")
                .await
                .expect("tried");
            assert_eq!(
                gateway.outbox.get(&begun.id).await.expect("read"),
                Some(row),
                "it is put back for another account"
            );
        }
        let sending = gateway.outbox.sending(&client()).await.expect("read");
        assert_eq!(
            (sending.paused_at, sending.first_at, sending.restricted),
            (None, None, false),
            "deleted: {deleted}"
        );
        assert_eq!(
            store.knows(&client(), &ada.clone().into()).await,
            Ok(false),
            "acquaintances, deleted: {deleted}"
        );
        assert_eq!(store.paced(&client(), 1, false).await, Ok(None));
        assert_eq!(
            store.cached_address(&client(), &ada, Timestamp(0)).await,
            Ok(None),
            "addresses, deleted: {deleted}"
        );
        assert_eq!(
            gateway.outbox.held(&client()).await,
            Ok(Held {
                messages: 1,
                recipients: 0
            }),
            "deleted: {deleted}"
        );
        assert_eq!(
            gateway
                .outbox
                .cancel(&waits.id)
                .await
                .expect("cancelled")
                .state,
            RowState::NotSent
        );
    }
}

#[tokio::test]
async fn the_change_of_an_account_is_told_with_both() {
    let dir = tempfile::tempdir().expect("tempdir");
    let gateway = Gateway::start(dir.path()).await;
    appears(&gateway).await;
    let event = gateway.outbox.inner.events.prepare(
        &client(),
        None,
        Event::Other {
            kind: "test".into(),
            json: "{}".into(),
        },
    );
    for (now, previous) in [
        (account("1", "77"), None),
        (account("", "77"), None),
        (account("2", ""), Some(account("1", "77"))),
    ] {
        let event = event.clone();
        let told = gateway
            .store
            .note_account(&client(), Some(&now), move |_| event)
            .await
            .expect("noted");
        assert_eq!(
            told,
            previous.map(|previous| Relinked {
                previous,
                held: Held::default()
            }),
            "{now:?}"
        );
    }
    assert_eq!(
        gateway.store.account(&client()).await,
        Ok(Some(account("2", "")))
    );
}
