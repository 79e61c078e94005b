//! What is monitored while a session is ready: its page, its sends, its memory and its
//! restrictions.

use super::*;
use crate::whatsapp::{BrowserReport, TimeLock};

#[tokio::test(start_paused = true)]
async fn a_page_that_does_not_answer_its_health_check_is_replaced() {
    let rig = rig(vec![]);
    rig.launched(1).await;
    rig.launcher.tell(PageEvent::Status(ready_status()));
    rig.reaches(SessionState::Ready).await;
    let lost = rig.reaches(SessionState::Reconnecting).await;
    assert!(lost.reason.starts_with("health check"), "{}", lost.reason);
    assert_eq!(*rig.notes.health.lock().expect("lock"), [false]);
    rig.launched(2).await;
    *rig.launcher.page.status.lock().expect("lock") = Some(ready_status());
    rig.launcher.tell(PageEvent::Status(ready_status()));
    rig.reaches(SessionState::Ready).await;
}

#[tokio::test(start_paused = true)]
async fn sends_that_nobody_acknowledges_load_the_page_anew_and_then_the_browser() {
    let rig = rig(vec![]);
    *rig.launcher.page.status.lock().expect("lock") = Some(ready_status());
    rig.launched(1).await;
    rig.launcher.tell(PageEvent::Status(ready_status()));
    rig.reaches(SessionState::Ready).await;
    rig.notes.stuck.store(3, Ordering::Relaxed);
    let anew = rig.reaches(SessionState::Loading).await;
    assert!(
        anew.reason.contains("3 sends") && anew.notices[0].starts_with("degraded"),
        "{anew:?}"
    );
    assert_eq!(*rig.launcher.page.log.lock().expect("lock"), ["reload"]);
    rig.launcher.tell(PageEvent::Navigated);
    rig.launcher.tell(PageEvent::Status(ready_status()));
    rig.reaches(SessionState::Ready).await;
    let lost = rig.reaches(SessionState::Reconnecting).await;
    assert_eq!((lost.attempt, lost.launches), (1, 1));
    rig.launched(2).await;
    rig.launcher.tell(PageEvent::Status(ready_status()));
    rig.reaches(SessionState::Ready).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let now = rig.handle.snapshot().borrow().clone();
    assert_eq!(
        (now.state, now.launches),
        (SessionState::Ready, 2),
        "for sends that were there before no browser is started anew again"
    );
    rig.notes.stuck.store(0, Ordering::Relaxed);
    let mut snapshot = rig.handle.snapshot();
    snapshot
        .wait_for(|now| now.notices.is_empty())
        .await
        .expect("a supervisor");
}

#[tokio::test(start_paused = true)]
async fn a_browser_over_the_hard_limit_is_started_anew_with_the_reason() {
    let rig = rig(vec![]);
    *rig.launcher.page.status.lock().expect("lock") = Some(ready_status());
    *rig.launcher.page.browser.lock().expect("lock") = BrowserReport {
        memory_bytes: Some(3 << 30),
        ..BrowserReport::default()
    };
    rig.launched(1).await;
    rig.launcher.tell(PageEvent::Status(ready_status()));
    rig.reaches(SessionState::Ready).await;
    let lost = rig.reaches(SessionState::Reconnecting).await;
    assert!(
        lost.reason.contains("3072 MiB") && lost.reason.contains("2048 MiB"),
        "{}",
        lost.reason
    );
}

#[tokio::test(start_paused = true)]
async fn restrictions_are_notices_of_a_session_that_is_ready() {
    let rig = rig(vec![]);
    rig.launched(1).await;
    rig.launcher.tell(PageEvent::Status(PageStatus {
        time_lock: Some(TimeLock::default()),
        ..ready_status()
    }));
    rig.reaches(SessionState::Ready).await;
    let mut snapshot = rig.handle.snapshot();
    let noticed = snapshot
        .wait_for(|now| !now.notices.is_empty())
        .await
        .expect("a supervisor")
        .notices
        .clone();
    assert!(noticed[0].contains("463"), "{noticed:?}");

    // A build of the page that cannot tell does not say that there is no lock.
    rig.launcher.tell(PageEvent::Status(PageStatus {
        sync_percent: Some(7),
        ..ready_status()
    }));
    snapshot
        .wait_for(|now| {
            now.page
                .as_ref()
                .is_some_and(|page| page.sync_percent == Some(7))
        })
        .await
        .expect("a supervisor");
    // This command is processed after the status.
    rig.handle.tell(Command::Start).await;
    assert_eq!(rig.notes.restrictions.lock().expect("lock").len(), 1);
    rig.launcher.tell(PageEvent::Status(PageStatus {
        time_lock_known: true,
        ..ready_status()
    }));
    snapshot
        .wait_for(|now| now.notices.is_empty())
        .await
        .expect("a supervisor");
}

#[tokio::test(start_paused = true)]
async fn an_old_answer_to_a_health_check_does_not_end_a_time_lock() {
    let unlocked = PageStatus {
        time_lock_known: true,
        ..ready_status()
    };
    let locked = PageStatus {
        time_lock: Some(TimeLock::default()),
        ..unlocked.clone()
    };
    let rig = rig(vec![]);
    let page = &rig.launcher.page;
    *page.status.lock().expect("lock") = Some(unlocked.clone());
    rig.launched(1).await;
    rig.launcher.tell(PageEvent::Status(unlocked));
    rig.reaches(SessionState::Ready).await;

    let unmeasured = page.unmeasured.lock().await;
    page.measuring.notified().await;
    let checks = rig.notes.health.lock().expect("lock").len();
    rig.launcher.tell(PageEvent::Status(locked));
    let mut snapshot = rig.handle.snapshot();
    snapshot
        .wait_for(|now| !now.notices.is_empty())
        .await
        .expect("a supervisor");
    drop(unmeasured);
    while rig.notes.health.lock().expect("lock").len() == checks {
        // This command is processed before or after the result of the check, never during it.
        rig.handle.tell(Command::Start).await;
    }
    assert_eq!(rig.notes.restrictions.lock().expect("lock").len(), 1);
}
