//! Catching up with messages that no page reported.

use super::*;

#[tokio::test(start_paused = true)]
async fn every_document_but_the_first_of_an_account_is_asked_for_what_was_missed() {
    let status = PageStatus {
        account: Some(Account {
            pn: Some("1@c.us".into()),
            ..Account::default()
        }),
        ..ready_status()
    };
    let rig = rig(vec![]);
    let asked = || rig.launcher.page.caught_up.lock().expect("lock").clone();
    rig.launched(1).await;
    rig.launcher.tell(PageEvent::Status(status.clone()));
    rig.reaches(SessionState::Ready).await;
    *rig.launcher.page.status.lock().expect("lock") = Some(status.clone());
    while rig.notes.health.lock().expect("lock").is_empty() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(
        asked(),
        [],
        "nothing was missed before the account was known"
    );
    let told = rig.notes.told.lock().expect("lock").expect("noted");
    rig.launcher.tell(PageEvent::Navigated);
    rig.launcher.tell(PageEvent::Status(status));
    while asked().is_empty() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(
        asked(),
        [told.minus(Duration::from_secs(600))],
        "once, and with a margin"
    );
    rig.launcher.tell(PageEvent::CaughtUp {
        complete: Some(true),
    });

    rig.notes.full.store(true, Ordering::Relaxed);
    rig.launcher.tell(PageEvent::Message(inbound()));
    while asked().len() < 2 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_stays_due_while_nobody_knows_what_was_told() {
    let status = PageStatus {
        account: Some(Account {
            pn: Some("1@c.us".into()),
            ..Account::default()
        }),
        ..ready_status()
    };
    let rig = rig(vec![]);
    let asked = || rig.launcher.page.caught_up.lock().expect("lock").clone();
    *rig.notes.told.lock().expect("lock") = Some(Timestamp(700_000));
    rig.notes.unreadable.store(true, Ordering::Relaxed);
    rig.launched(1).await;
    rig.launcher.tell(PageEvent::Status(status.clone()));
    rig.reaches(SessionState::Ready).await;
    *rig.launcher.page.status.lock().expect("lock") = Some(status);
    while rig.notes.health.lock().expect("lock").len() < 2 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(
        (asked(), *rig.notes.told.lock().expect("lock")),
        (vec![], Some(Timestamp(700_000))),
        "nothing counts as told"
    );
    rig.notes.unreadable.store(false, Ordering::Relaxed);
    while asked().is_empty() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(asked(), [Timestamp(100_000)]);
}
