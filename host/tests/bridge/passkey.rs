//! The bridge's part of a passkey ceremony, with the orders of the gateway given by hand.

use serde_json::Value;
use wharf::whatsapp::{PasskeyNews, PasskeyOrder, PasskeyPurpose, check_assertion};
use wharf_standin::{Authenticator, Circumstances};

use super::*;

impl Open {
    async fn news(&mut self, what: &str, wanted: impl Fn(&PasskeyNews) -> bool) -> PasskeyNews {
        let event = self
            .until(
                what,
                |event| matches!(event, PageEvent::Passkey(news) if wanted(news)),
            )
            .await;
        let PageEvent::Passkey(news) = event else {
            unreachable!()
        };
        news
    }

    async fn question(&mut self) -> (String, Value) {
        let news = self
            .news("the challenge", |news| {
                matches!(news, PasskeyNews::Signing { .. })
            })
            .await;
        let PasskeyNews::Signing {
            id,
            purpose,
            public_key,
        } = news
        else {
            unreachable!()
        };
        assert_eq!(purpose, PasskeyPurpose::Link);
        (id, public_key)
    }

    async fn answer(
        &self,
        key: &Authenticator,
        (id, options): &(String, Value),
    ) -> Result<(), PageError> {
        let signed = key.sign(options, &Circumstances::default()).to_string();
        let assertion =
            Box::new(check_assertion(signed.as_bytes(), options).expect("a good assertion"));
        self.page
            .passkey(&PasskeyOrder::Answer {
                id: id.clone(),
                assertion,
            })
            .await
    }
}

async fn asked(settings: Value) -> (TestPage, Open, Authenticator) {
    let key = Authenticator::new().expect("a key");
    let test_page = test_page(json!({"clock": 0.05, "passkey": {"ask": "link", "handoffTtl": 0, "credentials": [key.credential()]}})).await;
    test_page.standin.set(settings);
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
    open.news("the request", |news| *news == PasskeyNews::Asked)
        .await;
    (test_page, open, key)
}

#[tokio::test]
async fn while_a_passkey_is_awaited_nothing_makes_another_secret_and_each_order_has_its_time() {
    let (test_page, mut open, key) = asked(json!({})).await;
    let question = open.question().await;
    let number = "4915112345678".parse::<PhoneNumber>().expect("number");
    let refused = |result: Result<(), PageError>| {
        assert!(
            matches!(result, Err(PageError::Refused { .. })),
            "{result:?}"
        )
    };
    refused(open.page.refresh_qr().await);
    refused(open.page.pairing_code(&number).await.map(|_| ()));
    refused(open.page.passkey(&PasskeyOrder::Confirm).await);
    refused(
        open.answer(&key, &("older".into(), question.1.clone()))
            .await,
    );

    // The challenge expires and is requested again.
    open.page
        .passkey(&PasskeyOrder::Expire)
        .await
        .expect("taken");
    refused(open.answer(&key, &question).await);
    open.page
        .passkey(&PasskeyOrder::Again)
        .await
        .expect("taken");
    let fresh = open.question().await;
    assert_ne!(
        (&fresh.0, &fresh.1["challenge"]),
        (&question.0, &question.1["challenge"])
    );
    open.answer(&key, &fresh).await.expect("taken");
    refused(open.answer(&key, &fresh).await);
    open.news("the code", |news| {
        matches!(news, PasskeyNews::Confirm { .. })
    })
    .await;
    open.page
        .passkey(&PasskeyOrder::Confirm)
        .await
        .expect("taken");
    refused(open.page.passkey(&PasskeyOrder::Confirm).await);
    open.news(
        "the link",
        |news| matches!(news, PasskeyNews::Ended { reason } if reason == "linked"),
    )
    .await;
    open.ready().await;
    assert_eq!(
        test_page.standin.view().passkey.refused,
        Vec::<String>::new()
    );
    open.page.close().await;
}

/// The gateway must not request new QR codes during a ceremony. This test shows on the stand-in
/// that they would end it.
#[tokio::test]
async fn another_batch_of_qr_codes_would_end_the_ceremony() {
    let (test_page, mut open, key) = asked(json!({})).await;
    let question = open.question().await;
    test_page.standin.push(
        None,
        json!({"type": "pair-device", "refs": ["2@another", "2@batch"]}),
    );
    open.answer(&key, &question).await.expect("taken");
    open.news("the code", |news| {
        matches!(news, PasskeyNews::Confirm { .. })
    })
    .await;
    open.page
        .passkey(&PasskeyOrder::Confirm)
        .await
        .expect("taken");
    let failed = open
        .news("the failure", |news| {
            matches!(news, PasskeyNews::Failed { .. })
        })
        .await;
    assert_eq!(
        failed,
        PasskeyNews::Failed {
            reason: "timeout".into()
        }
    );
    let refused = test_page.standin.view().passkey.refused;
    assert!(
        refused
            .iter()
            .any(|reason| reason.contains("adv secret does not match")),
        "{refused:?}"
    );

    open.page
        .passkey(&PasskeyOrder::Cancel)
        .await
        .expect("taken");
    open.until("a QR", |event| matches!(event, PageEvent::Qr { .. }))
        .await;
    open.page.close().await;
}
