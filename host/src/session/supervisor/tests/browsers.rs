//! Failures of browsers and pages: which are retried, and that at most one browser uses the
//! profile.

use std::sync::atomic::AtomicU64;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_launch_that_hangs_holds_up_no_other_session() {
    let starts = Arc::new(Semaphore::new(1));
    let hanging = beside(
        &starts,
        ScriptedLauncher {
            hanging: AtomicU64::new(1),
            ..ScriptedLauncher::default()
        },
    );
    hanging
        .handle
        .snapshot()
        .wait_for(|snapshot| snapshot.launches == 1)
        .await
        .expect("a supervisor");
    // Its launch has begun and holds the only permit.
    while starts.available_permits() > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let began = Instant::now();
    let other = beside(&starts, ScriptedLauncher::default());
    other.launched(1).await;
    assert!(
        began.elapsed() <= Duration::from_secs(11),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(
        hanging.handle.snapshot().borrow().launches,
        1,
        "that one still hangs"
    );
}

#[tokio::test(start_paused = true)]
async fn a_browser_that_comes_up_when_its_supervisor_is_gone_is_closed_before_the_next_one() {
    let rig = beside(
        &Arc::new(Semaphore::new(2)),
        ScriptedLauncher {
            hanging: AtomicU64::new(1),
            ..ScriptedLauncher::default()
        },
    );
    rig.handle
        .snapshot()
        .wait_for(|snapshot| snapshot.launches == 1)
        .await
        .expect("a supervisor");
    while rig.launcher.hanging.load(Ordering::Relaxed) > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    rig.notes.refuses.store(true, Ordering::Relaxed);
    // It panics while it stops, so the next supervisor stays idle until it is told to start.
    rig.handle.tell(Command::Stop).await;
    rig.handle.tell(Command::Start).await;
    rig.handle
        .snapshot()
        .wait_for(|snapshot| snapshot.launches == 2)
        .await
        .expect("a supervisor");
    assert_eq!(
        rig.launcher.news.lock().expect("lock").len(),
        0,
        "the profile is not free yet"
    );
    rig.launcher.goes_on.notify_one();
    rig.launched(2).await;
    assert_eq!(*rig.launcher.page.log.lock().expect("lock"), ["close"]);
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_that_panics_begins_anew_with_another_browser() {
    let rig = rig(vec![]);
    rig.launched(1).await;
    rig.notes.panics.store(true, Ordering::Relaxed);
    rig.launcher.tell(PageEvent::Qr {
        code: "secret".into(),
        ttl: Duration::from_secs(60),
    });
    rig.launched(2).await;
    assert_eq!(
        *rig.launcher.page.log.lock().expect("lock"),
        ["close"],
        "the browser of the one before is gone"
    );
    assert!(
        rig.notes
            .entered
            .lock()
            .expect("lock")
            .contains(&SessionState::Disconnected)
    );
    rig.launcher.tell(PageEvent::Status(ready_status()));
    rig.reaches(SessionState::Ready).await;
    rig.handle.tell(Command::Shutdown).await;
    assert_eq!(
        rig.handle.snapshot().borrow().state,
        SessionState::Disconnected
    );
}

#[tokio::test(start_paused = true)]
async fn a_broken_contract_is_named_and_not_retried() {
    let rig = rig(vec![]);
    *rig.launcher.page.contract.lock().expect("lock") = report(false);
    rig.launched(1).await;
    rig.launcher.tell(PageEvent::Status(ready_status()));
    let broken = rig.reaches(SessionState::Error).await;
    assert!(
        broken
            .reason
            .contains("WAWebSendMsgChatAction.addAndSendMsgToChat")
            && broken.reason.contains("2.3000.1"),
        "{}",
        broken.reason
    );
}

/// A reload is followed by news of the new page, which is probed again; a page that throws says
/// nothing more, so its session would wait for ever.
#[tokio::test(start_paused = true)]
async fn a_page_that_fails_to_report_its_contract_is_replaced_and_one_that_is_reloaded_is_not() {
    let rig = rig(vec![]);
    let fails = |error| *rig.launcher.page.no_contract.lock().expect("lock") = Some(error);
    rig.launched(1).await;
    let what = "contract";
    for reloaded in [
        PageError::Gone {
            what,
            reason: "the page was loaded anew".into(),
        },
        PageError::NoBridge { what },
    ] {
        fails(reloaded);
        rig.launcher.tell(PageEvent::Status(ready_status()));
        // Time passes when nothing is left to be done.
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(
            rig.launcher
                .page
                .no_contract
                .lock()
                .expect("lock")
                .is_none(),
            "asked"
        );
        assert_eq!(rig.handle.snapshot().borrow().launches, 1);
    }
    fails(PageError::Failed {
        what,
        reason: "TypeError".into(),
    });
    rig.launcher.tell(PageEvent::Status(ready_status()));
    let lost = rig.reaches(SessionState::Reconnecting).await;
    assert!(
        lost.reason.contains("failed at contract"),
        "{}",
        lost.reason
    );
    rig.launched(2).await;
    rig.launcher.tell(PageEvent::Status(ready_status()));
    rig.reaches(SessionState::Ready).await;
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_page_is_retried_by_the_rules_and_a_missing_browser_is_not() {
    let unreachable = LaunchError::Unreachable {
        url: "https://web.whatsapp.com/".into(),
        reason: "net::ERR_NAME_NOT_RESOLVED".into(),
    };
    let rig = rig(vec![
        LaunchError::NoBrowser("install chromium".into()),
        unreachable,
    ]);
    let waiting = rig.reaches(SessionState::Reconnecting).await;
    assert!(
        waiting
            .reason
            .contains("cannot reach https://web.whatsapp.com/"),
        "{}",
        waiting.reason
    );
    let error = rig.reaches(SessionState::Error).await;
    assert!(error.reason.contains("install chromium"));
    rig.handle.tell(Command::Reconnect).await;
    rig.launched(3).await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_two_pages_leaves_one_browser() {
    let rig = rig(vec![]);
    rig.launched(1).await;
    rig.launcher.tell(PageEvent::Crashed("killed".into()));
    rig.launcher.tell(PageEvent::Closed("gone".into()));
    rig.launched(2).await;
    assert_eq!(
        *rig.launcher.page.log.lock().expect("lock"),
        ["close"],
        "one launch, one close, and news of the old page is dropped"
    );
    rig.handle.tell(Command::Stop).await;
    rig.reaches(SessionState::Disconnected).await;
    rig.handle.tell(Command::Shutdown).await;
    let entered = rig.notes.entered.lock().expect("lock").clone();
    assert_eq!(
        entered,
        [
            SessionState::Loading,
            SessionState::Reconnecting,
            SessionState::Loading,
            SessionState::Disconnected
        ]
    );
}
