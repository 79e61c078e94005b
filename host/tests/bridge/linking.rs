//! How a login begins and ends: by a QR, by a pairing code, by a log-out on either side, and by a
//! takeover.

use super::*;

#[tokio::test]
async fn a_login_survives_a_restart_and_ends_by_either_side() {
    let test_page = test_page(json!({})).await;
    let open = test_page.link(Account::default()).await;
    open.page.close().await;

    let mut open = test_page.open().await;
    let first = open.until("a QR or ready", |event| {
        matches!(event, PageEvent::Qr { .. })
            || matches!(event, PageEvent::Status(status) if status.stage() == Stage::Ready)
    });
    assert!(
        matches!(first.await, PageEvent::Status(_)),
        "no QR after a restart"
    );
    let status = open.page.status().await.expect("status");
    assert_eq!(
        status.account.and_then(|me| me.pn).as_deref(),
        Some("4915112345678@c.us")
    );

    test_page.standin.remove_device(None);
    open.until("the log-out", |event| {
        matches!(event, PageEvent::LoggedOut(_))
    })
    .await;
    open.until("the reload", |event| *event == PageEvent::Navigated)
        .await;
    let PageEvent::Qr { code, .. } = open
        .until("a new QR", |event| matches!(event, PageEvent::Qr { .. }))
        .await
    else {
        unreachable!()
    };
    test_page
        .standin
        .scan(Some(&code), Account::default())
        .await
        .expect("scanned");
    open.ready().await;

    open.page.logout().await.expect("logged out");
    test_page
        .standin
        .wait_for("the device to be removed", LIMIT, |view| {
            view.linked.is_empty()
        })
        .await
        .expect("unlinked");
    open.page.close().await;
}

/// WhatsApp Web clears all storage at a log-out, also what the bridge has noted there.
#[tokio::test]
async fn a_login_that_was_ended_is_not_put_back_into_the_same_browser() {
    let test_page = test_page(json!({})).await;
    let open = test_page.link(Account::default()).await;
    let kept =
        profile_dir(test_page.dir.path(), &"bridge".parse().expect("id")).join(".wharf-login.json");
    let began = std::time::Instant::now();
    while !kept.exists() {
        assert!(began.elapsed() < LIMIT, "no copy of the login");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    open.page.close().await;

    let mut open = test_page.open().await;
    open.ready().await;
    test_page.standin.remove_device(None);
    open.until("the log-out", |event| {
        matches!(event, PageEvent::LoggedOut(_))
    })
    .await;
    open.until("a new QR", |event| matches!(event, PageEvent::Qr { .. }))
        .await;
    assert!(!kept.exists(), "the copy is gone");
    let status = open.page.status().await.expect("status");
    assert_eq!(
        (status.registered, status.account),
        (false, None),
        "and so is what it held"
    );
    open.page.close().await;
}

#[tokio::test]
async fn the_codes_of_a_batch_run_out_and_are_renewed() {
    let test_page = test_page(json!({"clock": 0.005})).await;
    let mut open = test_page.open().await;
    open.until("the end of the batch", |event| {
        *event == PageEvent::QrExhausted
    })
    .await;
    open.page.refresh_qr().await.expect("asked");
    open.until("a QR of the next batch", |event| {
        matches!(event, PageEvent::Qr { .. })
    })
    .await;
    open.page.close().await;
}

#[tokio::test]
async fn a_login_taken_over_silently_is_noticed() {
    let test_page = test_page(json!({})).await;
    let mut open = test_page.link(Account::default()).await;
    // A job of the sync reports CONNECTED again although the connection is gone.
    test_page
        .standin
        .push(None, json!({"type": "sync-signal", "after": 300}));
    test_page.standin.push(
        None,
        json!({"type": "stream-error", "conflict": "replaced"}),
    );
    open.until(
        "the conflict",
        |event| matches!(event, PageEvent::Status(status) if status.stage() == Stage::Replaced),
    )
    .await;
    open.page.close().await;
}

#[tokio::test]
async fn a_typed_code_links_and_is_renewed_until_then() {
    let test_page = test_page(json!({})).await;
    let mut open = test_page.open().await;
    let number = "4915112345678".parse::<PhoneNumber>().expect("number");
    open.until("a QR", |event| matches!(event, PageEvent::Qr { .. }))
        .await;
    let code = open.page.pairing_code(&number).await.expect("a code");
    assert_eq!(
        (code.code.len(), code.code.find('-'), code.ttl),
        (9, Some(4), Duration::from_secs(180))
    );
    assert_eq!(open.code().await, code.code, "told, too");
    assert!(
        test_page.standin.view().codes[0].push && test_page.standin.view().qrs.is_empty(),
        "{:?}",
        test_page.standin.view()
    );
    assert!(
        matches!(open.page.refresh_qr().await, Err(PageError::Refused { .. })),
        "a batch of QR codes would spoil the code"
    );

    test_page.standin.push(None, json!({"type": "alt-refresh"}));
    let renewed = open.code().await;
    assert_ne!(renewed, code.code);
    assert!(
        test_page
            .standin
            .enter_code(&code.code, Account::default())
            .await
            .is_err(),
        "the old one is dead"
    );
    assert!(
        test_page
            .standin
            .enter_code(
                &renewed,
                Account {
                    pn: "4915100000001".into(),
                    ..Account::default()
                }
            )
            .await
            .is_err(),
        "another phone"
    );
    test_page
        .standin
        .enter_code(&renewed, Account::default())
        .await
        .expect("linked");
    open.ready().await;
    assert_eq!(test_page.standin.view().reports, Vec::<String>::new());
    assert!(
        matches!(
            open.page.pairing_code(&number).await,
            Err(PageError::Refused { .. })
        ),
        "already linked"
    );
    open.page.close().await;
}

#[tokio::test]
async fn a_code_that_fails_or_is_given_up_leads_back_to_qr_codes() {
    let test_page = test_page(json!({"pairingError": "IQErrorRateOverlimit", "clock": 0.2})).await;
    let mut open = test_page.open().await;
    let number = "4915112345678".parse::<PhoneNumber>().expect("number");
    let is_qr = |event: &PageEvent| matches!(event, PageEvent::Qr { .. });
    open.until("a QR", is_qr).await;
    assert_eq!(
        open.page.pairing_code(&number).await,
        Err(PageError::RateLimited {
            what: "pairing_code"
        })
    );
    open.until("a QR after the refusal", is_qr).await;
    test_page
        .standin
        .set(json!({"pairingError": "IQErrorFeatureNotAvailable"}));
    assert_eq!(
        open.page.pairing_code(&number).await,
        Err(PageError::NotAvailable {
            what: "pairing_code"
        })
    );
    open.until("a QR after the refusal", is_qr).await;

    test_page.standin.set(json!({"pairingError": null}));
    open.page.pairing_code(&number).await.expect("a code");
    open.page.cancel_pairing().await.expect("cancelled");
    open.until(
        "the end",
        |event| matches!(event, PageEvent::PairingEnded(reason) if reason == "cancelled"),
    )
    .await;
    open.until("a QR after the end", is_qr).await;

    open.page.pairing_code(&number).await.expect("a code");
    test_page.standin.network(false);
    open.until(
        "the end",
        |event| matches!(event, PageEvent::PairingEnded(reason) if reason.contains("lost")),
    )
    .await;
    test_page.standin.network(true);
    let PageEvent::Qr { code, .. } = open.until("a QR after the loss", is_qr).await else {
        unreachable!()
    };
    test_page
        .standin
        .scan(Some(&code), Account::default())
        .await
        .expect("a QR works again");
    open.ready().await;
    assert_eq!(test_page.standin.view().reports, Vec::<String>::new());
    open.page.close().await;
}

#[tokio::test]
async fn a_page_is_ready_when_it_has_what_arrived_while_it_was_away() {
    let test_page = test_page(json!({"offlineDelay": null})).await;
    let mut open = test_page.open().await;
    open.until("a QR", |event| matches!(event, PageEvent::Qr { .. }))
        .await;
    test_page
        .standin
        .scan(None, Account::default())
        .await
        .expect("scanned");
    let receiving = |event: &PageEvent| matches!(event, PageEvent::Status(status) if status.has_synced && status.stage() == Stage::Syncing);
    let ready = |event: &PageEvent| matches!(event, PageEvent::Status(status) if status.stage() == Stage::Ready);
    for step in ["linked", "reconnected"] {
        let events = open.all_until(step, receiving).await;
        assert!(!events.iter().any(ready), "{step}: {events:?}");
        test_page.standin.push(None, json!({"type": "offline-end"}));
        open.until("ready", ready).await;
        test_page.standin.network(false);
        open.until(
            "no connection",
            |event| matches!(event, PageEvent::Status(status) if status.stage() == Stage::Offline),
        )
        .await;
        test_page.standin.network(true);
    }
    open.page.close().await;
}
