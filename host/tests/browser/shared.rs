//! One browser for several profiles: no session waits for the launch of another, and no page is
//! left behind.

use std::{
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::{Arc, Mutex},
};

use tracing_subscriber::{Layer, layer::SubscriberExt};
use wharf::browser::{SharedBrowser, find_executable, hold_profile};

use super::*;

/// A Chromium that starts only when the gate file exists. It then starts even if its launch was
/// given up. It ends when the folder is gone, so that a test that fails leaves nothing behind.
fn behind_a_gate(dir: &Path) -> (PathBuf, PathBuf) {
    let (chromium, _) = find_executable(None, BrowserKind::Headless).expect("a Chromium");
    let (script, gate) = (dir.join("slow-chromium"), dir.join("gate"));
    let text = format!(
        "#!/bin/sh\n(while [ ! -e {gate:?} ]; do [ -d {dir:?} ] || exit 1; sleep 0.05; done; exec {chromium:?} \"$@\") &\nwait\n"
    );
    std::fs::write(&script, text).expect("a script");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).expect("executable");
    (script, gate)
}

#[tokio::test]
async fn in_a_shared_browser_nobody_waits_for_the_launch_of_another() {
    let dir = tempfile::tempdir().expect("tempdir");
    let shared = SharedBrowser::new(dir.path().join("shared"));
    let (first, _news) = shared
        .open(&options(&dir.path().join("first")))
        .await
        .expect("a page");
    let (script, gate) = behind_a_gate(dir.path());
    let slow = LaunchOptions {
        executable: Some(script.clone()),
        ..options(&dir.path().join("slow"))
    };
    let (browser, waiting) = (Arc::clone(&shared), script.display().to_string());
    let slow = tokio::spawn(async move { browser.open(&slow).await });
    until("the slow one is being opened", || processes(&waiting) > 0).await;

    let (other, _other_news) = timeout(LIMIT, shared.open(&options(&dir.path().join("other"))))
        .await
        .expect("it does not wait")
        .expect("a page");
    assert!(!slow.is_finished());
    assert_eq!(
        other.report().await.pid,
        first.report().await.pid,
        "one browser"
    );
    timeout(LIMIT, other.close())
        .await
        .expect("nor does who leaves");
    assert!(!slow.is_finished());

    std::fs::write(&gate, "").expect("the gate");
    let (tab, _slow_news) = slow.await.expect("no panic").expect("a page");
    assert_eq!(tab.call("() => 7", &[], LIMIT).await, Ok(json!(7)));
    tab.close().await;
    first.close().await;
    until("everything gone", || on_profile(dir.path()).is_empty()).await;
}

#[tokio::test]
async fn a_launch_that_fails_leaves_no_page_in_a_shared_browser() {
    let dir = tempfile::tempdir().expect("tempdir");
    let said = Said::default();
    let _guard =
        tracing::subscriber::set_default(tracing_subscriber::registry().with(said.clone()));
    let shared = SharedBrowser::new(dir.path().join("shared"));
    let (first, _news) = shared
        .open(&options(&dir.path().join("first")))
        .await
        .expect("a page");
    let (script, gate) = behind_a_gate(dir.path());
    let late = LaunchOptions {
        executable: Some(script),
        launch_timeout: Duration::from_millis(300),
        ..options(&dir.path().join("late"))
    };
    let error = shared.open(&late).await.expect_err("the gate is closed");
    assert!(
        error.to_string().contains("did not open the profile"),
        "{error}"
    );

    // The page comes after the launch was given up.
    std::fs::write(&gate, "").expect("the gate");
    until("the late page is closed", || {
        said.0
            .lock()
            .expect("lines")
            .iter()
            .any(|line| line.contains("came late"))
    })
    .await;
    let before = first.report().await;
    // The profile is free for another attempt, and the browser closes with its last page, so no
    // page is left behind.
    let (again, _again_news) = shared
        .open(&options(&dir.path().join("late")))
        .await
        .expect("a page");
    assert_eq!(again.report().await.pid, before.pid);
    again.close().await;
    first.close().await;
    until("everything gone", || on_profile(dir.path()).is_empty()).await;
}

/// After a crash of the gateway the guard of an isolated browser holds the lock until that browser
/// is closed, also when the next gateway runs in the shared mode.
#[tokio::test]
async fn a_shared_browser_waits_for_the_guard_of_an_isolated_one() {
    let dir = tempfile::tempdir().expect("tempdir");
    let profile = dir.path().join("first");
    let closing = hold_profile(&profile).expect("free");
    let shared = SharedBrowser::new(dir.path().join("shared"));
    let opening = {
        let options = options(&profile);
        let shared = Arc::clone(&shared);
        tokio::spawn(async move { shared.open(&options).await })
    };
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!opening.is_finished(), "it waits");
    drop(closing);
    let (tab, _news) = opening.await.expect("no panic").expect("a page");
    tab.close().await;
    until("everything gone", || on_profile(dir.path()).is_empty()).await;
}

/// The browser goes on, and so does its connection: a page that is closed must not go on with them.
#[tokio::test]
async fn the_news_of_a_page_end_with_it_and_leave_no_task_in_a_shared_browser() {
    let dir = tempfile::tempdir().expect("tempdir");
    let shared = SharedBrowser::new(dir.path().join("shared"));
    let (first, _news) = shared
        .open(&options(&dir.path().join("first")))
        .await
        .expect("a page");
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    let before = tasks();
    let other = options(&dir.path().join("other"));
    let (tab, mut news) = shared.open(&other).await.expect("a page");
    tab.close().await;
    let end = async { while news.recv().await.is_some() {} };
    timeout(LIMIT, end).await.expect("the news end");

    for _ in 0..2 {
        let (tab, news) = shared.open(&other).await.expect("a page");
        drop(news);
        tab.close().await;
    }
    until("no task is left", || tasks() <= before).await;
    first.close().await;
    until("everything gone", || on_profile(dir.path()).is_empty()).await;
}

/// Living processes whose command line has these words.
fn processes(words: &str) -> usize {
    let entries = std::fs::read_dir("/proc").expect("proc").flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|pid| command_line(*pid).contains(words))
        .count()
}

/// Records the fields of all log events as text.
#[derive(Debug, Clone, Default)]
struct Said(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> Layer<S> for Said {
    fn on_event(
        &self,
        event: &tracing::Event<'_>,
        _context: tracing_subscriber::layer::Context<'_, S>,
    ) {
        struct Words(String);
        impl tracing::field::Visit for Words {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0 += &format!("{field}={value:?} ");
            }
        }
        let mut words = Words(String::new());
        event.record(&mut words);
        self.0.lock().expect("lines").push(words.0);
    }
}
