//! Passkey ceremonies as a page reports them, with their timers.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::*;
use crate::{
    session::{PasskeyError, PasskeyStage, PasskeyView},
    whatsapp::{PasskeyNews, PasskeyPurpose},
};

fn options(challenge: &str) -> Value {
    json!({"challenge": BASE64URL.encode(challenge), "rpId": "whatsapp.com", "userVerification": "required", "timeout": 600_000})
}

fn assertion(challenge: &str) -> Vec<u8> {
    let client_data = json!({"type": "webauthn.get", "challenge": BASE64URL.encode(challenge), "origin": "https://web.whatsapp.com"}).to_string();
    let data = [Sha256::digest("whatsapp.com").as_slice(), &[5, 0, 0, 0, 0]].concat();
    let response = json!({"clientDataJSON": BASE64URL.encode(client_data), "authenticatorData": BASE64URL.encode(data), "signature": "AA"});
    json!({"id": "AQ", "rawId": "AQ", "type": "public-key", "response": response})
        .to_string()
        .into_bytes()
}

fn signing(challenge: &str, purpose: PasskeyPurpose) -> PageEvent {
    PageEvent::Passkey(PasskeyNews::Signing {
        id: challenge.into(),
        purpose,
        public_key: options(challenge),
    })
}

fn failed(reason: &str) -> PageEvent {
    PageEvent::Passkey(PasskeyNews::Failed {
        reason: reason.into(),
    })
}

impl Rig {
    fn passkey(&self) -> Option<PasskeyView> {
        self.handle.snapshot().borrow().passkey.clone()
    }

    async fn stage(&self, stage: PasskeyStage) -> PasskeyView {
        let mut snapshot = self.handle.snapshot();
        let reached =
            snapshot.wait_for(|now| now.passkey.as_ref().is_some_and(|view| view.stage == stage));
        let reached = tokio::time::timeout(Duration::from_hours(2), reached).await;
        let now = reached
            .unwrap_or_else(|_| panic!("never {stage:?}, but {:?}", self.passkey()))
            .expect("a supervisor")
            .clone();
        now.passkey.expect("there")
    }

    /// A session that waits for its challenge to be signed.
    async fn asked() -> Self {
        let rig = rig(vec![]);
        *rig.launcher.page.status.lock().expect("lock") = Some(PageStatus {
            socket: Some("UNPAIRED_IDLE".into()),
            ..PageStatus::default()
        });
        rig.launched(1).await;
        rig.qr();
        rig.reaches(SessionState::QrReady).await;
        rig.launcher.tell(PageEvent::Passkey(PasskeyNews::Asked));
        rig.launcher.tell(signing("first", PasskeyPurpose::Link));
        rig.stage(PasskeyStage::Signing).await;
        rig
    }

    fn qr(&self) {
        self.launcher.tell(PageEvent::Qr {
            code: "secret".into(),
            ttl: Duration::from_secs(20),
        });
    }

    /// The orders that the page received, without the requests for QR codes that health checks make
    /// when none is shown and no passkey is awaited.
    fn log(&self) -> Vec<&'static str> {
        let log = self.launcher.page.log.lock().expect("lock").clone();
        let ended = log
            .iter()
            .position(|order| *order == "cancel")
            .unwrap_or(log.len());
        log.into_iter()
            .enumerate()
            .filter(|(at, order)| *at < ended || *order != "refresh_qr")
            .map(|(_, order)| order)
            .collect()
    }

    /// Separate tasks give the orders.
    async fn until_log(&self, wanted: &[&str]) {
        for _ in 0..1000 {
            if self.log() == wanted {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        panic!("{:?} and not {wanted:?}", self.log());
    }
}

#[tokio::test(start_paused = true)]
async fn a_ceremony_ends_with_its_gateway_and_that_is_told() {
    for purpose in [PasskeyPurpose::Link, PasskeyPurpose::Checkpoint] {
        let rig = if purpose == PasskeyPurpose::Link {
            Rig::asked().await
        } else {
            let rig = rig(vec![]);
            rig.launched(1).await;
            rig.launcher.tell(PageEvent::Status(ready_status()));
            rig.reaches(SessionState::Ready).await;
            rig.launcher.tell(signing("checkpoint", purpose));
            rig.stage(PasskeyStage::Signing).await;
            rig
        };
        rig.handle.tell(Command::Shutdown).await;
        assert_eq!(rig.passkey(), None);
        let told = rig.notes.passkey.lock().expect("lock").clone();
        assert_eq!(told.last().map(String::as_str), Some("done"), "{told:?}");
        assert!(rig.handle.snapshot().borrow().notices.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_ceremony_goes_by_its_stages_and_holds_qr_codes_back() {
    let rig = Rig::asked().await;
    let view = rig.passkey().expect("asked");
    let (life, without) = (
        view.expires_at.since(view.asked_at),
        view.code_without.map(|until| until.since(view.asked_at)),
    );
    assert!(
        (600_000..601_000).contains(&life) && without == Some(300_000),
        "{life} {without:?}"
    );
    let token = view.token.clone().expect("a token");
    assert!(token.len() == 35 && token.starts_with("pk_"), "{token}");
    let shown = rig.handle.snapshot().borrow().clone();
    assert!(
        shown.qr.is_none()
            && shown.state == SessionState::QrReady
            && shown.notices[0].starts_with("passkey_needed"),
        "{shown:?}"
    );
    assert!(
        !format!("{shown:?}").contains(&token),
        "a token is for whoever has the link"
    );

    // Health checks for over a minute, QR codes that keep changing, and the end of a batch have no
    // effect.
    rig.qr();
    rig.launcher.tell(PageEvent::QrExhausted);
    tokio::time::sleep(Duration::from_secs(150)).await;
    assert!(
        rig.handle.snapshot().borrow().qr.is_none() && rig.log().is_empty(),
        "{:?}",
        rig.log()
    );
    assert!(matches!(
        rig.handle.answer_passkey(&assertion("other")).await,
        Err(PasskeyError::Invalid(_))
    ));
    assert!(matches!(
        rig.handle.confirm_passkey("ABCD-EFGH").await,
        Err(PasskeyError::NotConfirming(PasskeyStage::Signing))
    ));

    rig.launcher.tell(PageEvent::Passkey(PasskeyNews::Phone));
    rig.stage(PasskeyStage::Phone).await;
    assert!(matches!(
        rig.handle.answer_passkey(&assertion("first")).await,
        Err(PasskeyError::NotWaiting(PasskeyStage::Phone))
    ));
    rig.launcher.tell(PageEvent::Passkey(PasskeyNews::Confirm {
        code: "ABCDEFGH".into(),
    }));
    let view = rig.stage(PasskeyStage::Confirm).await;
    assert_eq!(view.code.as_deref(), Some("ABCD-EFGH"));
    assert_eq!(
        rig.handle.confirm_passkey("ABCD-EFGX").await,
        Err(PasskeyError::WrongCode)
    );
    let confirming = rig.handle.confirm_passkey("abcd efgh");
    let finishing = async {
        rig.until_log(&["confirm"]).await;
        rig.launcher
            .tell(PageEvent::Passkey(PasskeyNews::Finishing));
    };
    assert_eq!(
        tokio::join!(confirming, finishing).0.map(|view| view.stage),
        Ok(PasskeyStage::Finishing)
    );
    rig.launcher.tell(PageEvent::Passkey(PasskeyNews::Ended {
        reason: "linked".into(),
    }));
    rig.launcher.tell(PageEvent::Status(ready_status()));
    let ready = rig.reaches(SessionState::Ready).await;
    assert!(
        ready.passkey.is_none()
            && ready
                .past_passkeys
                .iter()
                .any(|past| past.token == token && past.reason == "linked"),
        "{ready:?}"
    );
    assert_eq!(
        *rig.notes.passkey.lock().expect("lock"),
        ["asked", "signing", "phone", "confirm", "finishing", "done"]
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_time_is_given_to_the_page_and_a_late_one_begins_anew_once() {
    let rig = Rig::asked().await;
    let given = assertion("first");
    let answering = rig.handle.answer_passkey(&given);
    let sent = async {
        rig.until_log(&["answer"]).await;
        rig.launcher.tell(failed("server_error"));
    };
    let Err(PasskeyError::Refused(reason)) = tokio::join!(answering, sent).0 else {
        panic!("taken")
    };
    assert!(reason.contains("the passkey of this account"), "{reason}");
    rig.until_log(&["answer", "again"]).await;
    rig.launcher.tell(signing("second", PasskeyPurpose::Link));
    let view = rig.stage(PasskeyStage::Signing).await;
    assert_eq!(
        (
            view.code_without,
            rig.handle.snapshot().borrow().past_passkeys.len()
        ),
        (None, 1)
    );
    rig.launcher.tell(failed("server_error"));
    rig.stage(PasskeyStage::Failed).await;
    rig.until_log(&["answer", "again", "cancel"]).await;

    let rig = Rig::asked().await;
    let late = rig.stage(PasskeyStage::Failed).await;
    assert!(
        late.again
            && late
                .reason
                .as_deref()
                .is_some_and(|reason| reason.contains("within 600 s")),
        "{late:?}"
    );
    assert_eq!(rig.log(), ["expire"]);
    assert_eq!(
        rig.handle
            .answer_passkey(&assertion("first"))
            .await
            .map(|_| ()),
        Err(PasskeyError::Expired { again: true })
    );
    rig.until_log(&["expire", "again"]).await;
    rig.launcher.tell(signing("second", PasskeyPurpose::Link));
    rig.stage(PasskeyStage::Signing).await;
    let late = rig.stage(PasskeyStage::Failed).await;
    assert!(!late.again, "{late:?}");
    rig.until_log(&["expire", "again", "cancel"]).await;
    assert_eq!(
        rig.handle
            .answer_passkey(&assertion("second"))
            .await
            .map(|_| ()),
        Err(PasskeyError::Expired { again: false })
    );
    rig.qr();
    rig.handle
        .snapshot()
        .wait_for(|now| now.qr.as_ref().is_some_and(|qr| qr.attempt == 1))
        .await
        .expect("counted anew");
}

#[tokio::test(start_paused = true)]
async fn nobody_answers_and_qr_codes_are_back_after_the_time_for_late_answers() {
    let rig = Rig::asked().await;
    rig.stage(PasskeyStage::Failed).await;
    rig.qr();
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert!(
        rig.handle.snapshot().borrow().qr.is_none(),
        "an answer may still come: {:?} {:?}",
        rig.log(),
        rig.handle.snapshot().borrow()
    );
    tokio::time::sleep(Duration::from_secs(31)).await;
    rig.until_log(&["expire", "cancel"]).await;
    assert!(rig.passkey().is_some_and(|view| !view.again));
    rig.qr();
    rig.handle
        .snapshot()
        .wait_for(|now| now.qr.is_some())
        .await
        .expect("a QR");
}

#[tokio::test(start_paused = true)]
async fn each_later_step_has_a_clock_and_words_of_its_own() {
    for (news, stage, words) in [
        (
            PasskeyNews::Phone,
            PasskeyStage::Phone,
            "the phone did not answer",
        ),
        (
            PasskeyNews::Confirm {
                code: "ABCDEFGH".into(),
            },
            PasskeyStage::Confirm,
            "nobody confirmed the code",
        ),
        (
            PasskeyNews::Finishing,
            PasskeyStage::Finishing,
            "the linking did not complete",
        ),
    ] {
        for by_page in [false, true] {
            let rig = Rig::asked().await;
            rig.launcher.tell(PageEvent::Passkey(news.clone()));
            let began = Instant::now();
            rig.stage(stage).await;
            if by_page {
                rig.launcher.tell(failed("timeout"));
            }
            let reason = rig
                .stage(PasskeyStage::Failed)
                .await
                .reason
                .unwrap_or_default();
            assert!(
                reason.contains(words) && reason.contains("120 s"),
                "{reason}"
            );
            assert_eq!(began.elapsed().as_secs(), if by_page { 0 } else { 130 });
            rig.until_log(&["cancel"]).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_ends_the_page_or_the_connection_ends_the_ceremony() {
    let rig = Rig::asked().await;
    rig.launcher.tell(PageEvent::Passkey(PasskeyNews::Lost));
    assert!(
        rig.stage(PasskeyStage::Failed)
            .await
            .reason
            .is_some_and(|reason| reason.contains("connection"))
    );
    assert_eq!(
        rig.log(),
        [] as [&str; 0],
        "the page is back at QR codes by itself"
    );
    rig.launcher.tell(PageEvent::Passkey(PasskeyNews::Asked));
    rig.launcher.tell(signing("next", PasskeyPurpose::Link));
    rig.stage(PasskeyStage::Signing).await;
    rig.handle.cancel_passkey().await.expect("asked");
    assert_eq!(
        (rig.passkey(), rig.handle.cancel_passkey().await),
        (None, Err(PasskeyError::NotAsked))
    );

    rig.launcher.tell(PageEvent::Passkey(PasskeyNews::Asked));
    rig.stage(PasskeyStage::Asked).await;
    rig.launcher.tell(PageEvent::Navigated);
    let loading = rig.reaches(SessionState::Loading).await;
    assert!(loading.passkey.is_none(), "{loading:?}");
    assert_eq!(
        rig.notes
            .passkey
            .lock()
            .expect("lock")
            .last()
            .map(String::as_str),
        Some("done")
    );
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_is_answered_while_the_session_is_ready() {
    let rig = rig(vec![]);
    rig.launched(1).await;
    *rig.launcher.page.status.lock().expect("lock") = Some(ready_status());
    rig.launcher.tell(PageEvent::Status(ready_status()));
    rig.reaches(SessionState::Ready).await;
    rig.launcher
        .tell(signing("checkpoint", PasskeyPurpose::Checkpoint));
    let view = rig.stage(PasskeyStage::Signing).await;
    assert_eq!(
        (view.purpose, view.code_without),
        (PasskeyPurpose::Checkpoint, None)
    );
    assert!(rig.handle.snapshot().borrow().notices[0].contains("blocks the page"));
    let given = assertion("checkpoint");
    let answering = rig.handle.answer_passkey(&given);
    let ended = async {
        rig.until_log(&["answer"]).await;
        rig.launcher.tell(PageEvent::Passkey(PasskeyNews::Ended {
            reason: "answered".into(),
        }));
    };
    assert!(tokio::join!(answering, ended).0.is_ok());
    let now = rig.handle.snapshot().borrow().clone();
    assert!(
        now.state == SessionState::Ready && now.passkey.is_none() && now.notices.is_empty(),
        "{now:?}"
    );
}
