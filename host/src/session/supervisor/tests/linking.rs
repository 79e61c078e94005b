//! From a QR code or a pairing code to a session that is ready.

use super::*;
use crate::{model::PhoneNumber, whatsapp::PairingCode};

#[tokio::test(start_paused = true)]
async fn a_session_links_sends_and_closes_its_browser() {
    let rig = rig(vec![]);
    rig.launched(1).await;
    rig.launcher.tell(PageEvent::Qr {
        code: "secret".into(),
        ttl: Duration::from_secs(60),
    });
    let shown = rig.reaches(SessionState::QrReady).await;
    assert!(
        !format!("{shown:?}").contains("secret"),
        "a QR is a credential"
    );
    assert!(rig.handle.ready_page().borrow().is_none());
    rig.launcher.tell(PageEvent::Status(ready_status()));
    let ready = rig.reaches(SessionState::Ready).await;
    assert!(ready.contract.is_some());
    rig.handle
        .ready_page()
        .wait_for(Option::is_some)
        .await
        .expect("a supervisor");
    assert_eq!(rig.handle.snapshot().borrow().qr, None);
    rig.handle.tell(Command::Shutdown).await;
    assert_eq!(*rig.launcher.page.log.lock().expect("lock"), ["close"]);
    assert!(rig.handle.ready_page().borrow().is_none());
    assert_eq!(*rig.notes.codes.lock().expect("lock"), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_pairing_code_stands_in_for_the_qr_until_it_ends() {
    let rig = rig(vec![]);
    rig.launched(1).await;
    let number = "4915112345678".parse::<PhoneNumber>().expect("number");
    let early = rig
        .handle
        .pairing_code(&number)
        .await
        .expect_err("no page waits yet");
    assert!(
        early
            .to_string()
            .contains("the session is loading (started)"),
        "{early}"
    );
    rig.launcher.tell(PageEvent::Qr {
        code: "secret".into(),
        ttl: Duration::from_secs(60),
    });
    rig.reaches(SessionState::QrReady).await;
    let asked = rig.handle.pairing_code(&number).await.expect("a code");
    assert_eq!((asked.code.as_str(), asked.attempt), ("SECR-ETCD", 1));

    let code = |text: &str| {
        PageEvent::PairingCode(PairingCode {
            code: text.into(),
            ttl: Duration::from_secs(180),
        })
    };
    let mut snapshot = rig.handle.snapshot();
    for (attempt, text) in [(1, "SECR-ETCD"), (2, "SECR-ETCE")] {
        rig.launcher.tell(code(text));
        let now = snapshot
            .wait_for(|now| {
                now.pairing
                    .as_ref()
                    .is_some_and(|code| code.attempt == attempt)
            })
            .await
            .expect("a supervisor")
            .clone();
        assert!(
            now.qr.is_none() && now.state == SessionState::QrReady,
            "{now:?}"
        );
        assert!(
            !format!("{now:?}").contains("SECR"),
            "a code is a credential"
        );
    }
    let waiting = PageStatus {
        socket: Some("UNPAIRED_IDLE".into()),
        ..PageStatus::default()
    };
    *rig.launcher.page.status.lock().expect("lock") = Some(waiting);
    tokio::time::sleep(Duration::from_secs(150)).await;
    assert!(
        !rig.launcher
            .page
            .log
            .lock()
            .expect("lock")
            .contains(&"refresh_qr"),
        "a batch of QR codes would spoil the code"
    );
    rig.launcher
        .tell(PageEvent::PairingEnded("cancelled".into()));
    snapshot
        .wait_for(|now| now.pairing.is_none())
        .await
        .expect("a supervisor");
    rig.launcher.tell(code("SECR-ETCF"));
    rig.launcher.tell(PageEvent::Status(ready_status()));
    let ready = rig.reaches(SessionState::Ready).await;
    assert!(ready.pairing.is_none(), "it has done its work");
    assert_eq!(*rig.notes.pairing_codes.lock().expect("lock"), [1, 2, 1]);
}
