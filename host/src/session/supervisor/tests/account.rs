//! The account of a session.

use super::*;

fn of(pn: &str) -> PageStatus {
    PageStatus {
        account: Some(Account {
            pn: Some(format!("{pn}@c.us")),
            ..Account::default()
        }),
        ..ready_status()
    }
}

fn noted(rig: &Rig) -> Vec<Option<String>> {
    rig.notes
        .accounts
        .lock()
        .expect("lock")
        .iter()
        .map(|account| account.as_ref().and_then(|account| account.pn.clone()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn the_journal_knows_whose_account_it_is_before_anything_can_be_sent() {
    let rig = rig(vec![]);
    rig.launched(1).await;
    rig.notes.full.store(true, Ordering::Relaxed);
    rig.launcher.tell(PageEvent::Status(of("1")));
    rig.reaches(SessionState::Ready).await;
    assert_eq!(noted(&rig), [Some("1@c.us".to_owned())]);
    assert!(
        rig.handle.ready_page().borrow().is_none(),
        "nobody knows whose messages wait"
    );
    rig.notes.full.store(false, Ordering::Relaxed);
    rig.launcher.tell(PageEvent::Status(of("1")));
    rig.handle
        .ready_page()
        .wait_for(Option::is_some)
        .await
        .expect("a supervisor");
    assert_eq!(noted(&rig).len(), 2, "it is tried again");

    // The same account is not recorded again; another account is, and so is a new login whose
    // account is unknown.
    rig.launcher.tell(PageEvent::Status(of("1:7")));
    rig.launcher
        .tell(PageEvent::LoggedOut("by the phone".into()));
    rig.reaches(SessionState::Loading).await;
    assert_eq!(rig.handle.snapshot().borrow().account, None);
    rig.launcher.tell(PageEvent::Status(of("2")));
    rig.reaches(SessionState::Ready).await;
    assert_eq!(noted(&rig)[2..], [Some("2@c.us".to_owned())]);
    rig.launcher
        .tell(PageEvent::LoggedOut("by the phone".into()));
    rig.reaches(SessionState::Loading).await;
    rig.launcher.tell(PageEvent::Status(ready_status()));
    rig.reaches(SessionState::Ready).await;
    assert_eq!(noted(&rig)[3..], [None]);
}
