//! The `browser` module with a real Chromium on a test page.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says why"
)]

#[path = "browser/shared.rs"]
mod shared;

use std::{
    io::{Read, Write},
    net::TcpListener,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    sync::mpsc::Receiver,
    time::timeout,
};
use wharf::{
    browser::{BrowserError, BrowserEvent, Guard, LaunchOptions, Tab, TabError, launch},
    config::BrowserKind,
};

const LIMIT: Duration = Duration::from_secs(20);

/// Serves one small page until the test process ends; returns its address.
fn serve() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
    let url = format!("http://{}/", listener.local_addr().expect("address"));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            std::thread::spawn(move || {
                let mut request = [0; 4096];
                if stream.read(&mut request).is_ok() {
                    let body = "<!doctype html><title>t</title>";
                    let head = format!(
                        "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                        body.len()
                    );
                    let _ = stream.write_all((head + body).as_bytes());
                }
            });
        }
    });
    url
}

fn options(profile: &Path) -> LaunchOptions {
    LaunchOptions {
        executable: None,
        kind: BrowserKind::Headless,
        profile: profile.to_owned(),
        args: vec![],
        user_agent: None,
        tag: "test".into(),
        launch_timeout: Duration::from_secs(30),
        close_grace: Duration::from_secs(10),
        guard: Guard {
            program: env!("CARGO_BIN_EXE_wharf").into(),
            args: vec!["guard".into()],
        },
    }
}

async fn start(profile: &Path) -> (Tab, Receiver<BrowserEvent>) {
    launch(&options(profile)).await.expect("a browser")
}

fn command_line(pid: i32) -> String {
    String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default())
        .into_owned()
}

/// Processes whose command line names the profile.
fn on_profile(profile: &Path) -> Vec<i32> {
    let needle = profile.display().to_string();
    let entries = std::fs::read_dir("/proc").expect("proc").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| command_line(*pid).contains(&needle))
        .collect()
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn next(events: &mut Receiver<BrowserEvent>) -> BrowserEvent {
    timeout(LIMIT, events.recv())
        .await
        .expect("news in time")
        .expect("news")
}

fn signal(name: &str, pid: i32) {
    assert!(
        Command::new("kill")
            .args([name, &pid.to_string()])
            .status()
            .expect("kill")
            .success()
    );
}

fn kill(pid: i32) {
    signal("-9", pid);
}

#[tokio::test]
async fn a_page_answers_speaks_and_closes_without_leaving_a_process() {
    let dir = tempfile::tempdir().expect("tempdir");
    let profile = dir.path().join("profile");
    let (tab, mut events) = start(&profile).await;
    tab.prepare("say", "window.marked = 1; window.say && say('hello')")
        .await
        .expect("prepared");
    let url = serve();
    tab.goto(&url, LIMIT).await.expect("loaded");
    assert_eq!(
        next(&mut events).await,
        BrowserEvent::Binding("hello".into())
    );

    let call =
        async |function: &str, args: &[serde_json::Value]| tab.call(function, args, LIMIT).await;
    assert_eq!(
        call(
            "(a, b) => a + b",
            &[json!("x\u{2028}"), json!("\"</script>")]
        )
        .await,
        Ok(json!("x\u{2028}\"</script>"))
    );
    assert_eq!(call("() => undefined", &[]).await, Ok(json!(null)));
    assert_eq!(
        call(
            "async () => ({marked: window.marked, driven: navigator.webdriver})",
            &[]
        )
        .await,
        Ok(json!({"marked": 1, "driven": false}))
    );
    assert_eq!(
        call("() => { throw new Error('no') }", &[]).await,
        Err(TabError::Script("no".into()))
    );
    // Half a surrogate pair is not a character: the library would drop such an answer, and the
    // caller would wait for ever.
    assert_eq!(
        call(
            "() => ({half: 'a\\ud83d', whole: '\\ud83d\\ude00', other: '\\\\ud83d'})",
            &[]
        )
        .await,
        Ok(json!({"half": "a\u{FFFD}", "whole": "😀", "other": "\\ud83d"}))
    );
    assert_eq!(
        call("() => { throw new Error('no \\ud83d') }", &[]).await,
        Err(TabError::Script("no \u{FFFD}".into()))
    );
    assert!(matches!(
        call("() => 5n", &[]).await,
        Err(TabError::Script(_))
    ));
    let agent = call("() => navigator.userAgent", &[]).await.expect("agent");
    assert!(
        !agent.as_str().expect("text").contains("Headless"),
        "{agent}"
    );
    let short = Duration::from_millis(100);
    assert_eq!(
        tab.call("() => new Promise(() => {})", &[], short).await,
        Err(TabError::Timeout(short))
    );

    call("() => say('x'.repeat(9 << 20))", &[])
        .await
        .expect("said");
    assert_eq!(next(&mut events).await, BrowserEvent::TooLarge(9 << 20));

    let report = tab.report().await;
    assert!(
        report.processes > 1 && report.memory_bytes > 10_000_000,
        "{report:?}"
    );

    tab.reload().await.expect("reloaded");
    assert_eq!(
        next(&mut events).await,
        BrowserEvent::Binding("hello".into()),
        "the binding survives"
    );

    let taken = LaunchOptions {
        close_grace: Duration::ZERO,
        ..options(&profile)
    };
    assert!(matches!(
        launch(&taken).await,
        Err(BrowserError::ProfileInUse { .. })
    ));

    tab.close().await;
    let end = next(&mut events).await;
    assert!(matches!(end, BrowserEvent::Closed(_)), "{end:?}");
    assert_eq!(events.recv().await, None);
    assert_eq!(on_profile(&profile), Vec::<i32>::new());
    assert!(matches!(
        tab.call("() => 1", &[], LIMIT).await,
        Err(TabError::Gone(_))
    ));
}

#[tokio::test]
async fn a_dead_renderer_and_a_dead_browser_are_told_and_hang_nobody() {
    let dir = tempfile::tempdir().expect("tempdir");
    let profile = dir.path().join("profile");
    let (tab, mut events) = start(&profile).await;
    tab.prepare("say", "").await.expect("prepared");
    let url = serve();
    tab.goto(&url, LIMIT).await.expect("loaded");
    for pid in on_profile(&profile)
        .into_iter()
        .filter(|pid| command_line(*pid).contains("--type=renderer"))
    {
        kill(pid);
    }
    assert!(matches!(next(&mut events).await, BrowserEvent::Crashed(_)));

    let pid = tab.report().await.pid;
    kill(i32::try_from(pid).expect("a pid"));
    while !matches!(next(&mut events).await, BrowserEvent::Closed(_)) {}
    assert!(tab.call("() => 1", &[], LIMIT).await.is_err());
    until("everything gone", || on_profile(&profile).is_empty()).await;
    assert!(matches!(
        tab.goto("http://127.0.0.1:1/", LIMIT).await,
        Err(TabError::Unreachable { .. })
    ));
}

/// Sends SIGTERM to every process at once, as a service manager does.
#[tokio::test]
async fn a_guard_that_is_told_to_stop_waits_for_its_browser() {
    let dir = tempfile::tempdir().expect("tempdir");
    let profile = dir.path().join("profile");
    let (tab, mut events) = start(&profile).await;
    let told = on_profile(&profile);
    assert!(told.len() > 2, "guard, browser and children: {told:?}");
    for pid in told {
        // This fails for a child that the browser has ended meanwhile.
        Command::new("kill")
            .args(["-TERM", &pid.to_string()])
            .stderr(Stdio::null())
            .status()
            .expect("kill runs");
    }
    while !matches!(next(&mut events).await, BrowserEvent::Closed(_)) {}
    until("everything gone", || on_profile(&profile).is_empty()).await;
    tab.close().await;
}

/// WhatsApp Web takes databases that close with the browser for a broken login and deletes it. So
/// the pages must have ended before.
#[tokio::test]
async fn pages_are_gone_before_their_browser_closes() {
    let dir = tempfile::tempdir().expect("tempdir");
    let url = serve();
    let (tab, _events) = start(dir.path()).await;
    tab.goto(&url, LIMIT).await.expect("loaded");
    tab.call("() => localStorage.setItem('login', 'kept')", &[], LIMIT)
        .await
        .expect("written");
    let browser = i32::try_from(tab.report().await.pid).expect("a pid");
    let pages = || {
        on_profile(dir.path())
            .into_iter()
            .filter(|pid| command_line(*pid).contains("--type=renderer"))
            .count()
    };
    assert!(pages() > 0);
    signal("-STOP", browser);
    let closing = tokio::spawn(async move { tab.close().await });
    until("the pages end while the browser cannot", || pages() == 0).await;
    assert!(on_profile(dir.path()).contains(&browser));
    signal("-CONT", browser);
    closing.await.expect("closed");

    let (tab, _events) = start(dir.path()).await;
    tab.goto(&url, LIMIT).await.expect("loaded");
    assert_eq!(
        tab.call("() => localStorage.getItem('login')", &[], LIMIT)
            .await,
        Ok(json!("kept"))
    );
    tab.close().await;
}

#[tokio::test]
async fn an_unreachable_page_is_named_with_the_browsers_words() {
    let dir = tempfile::tempdir().expect("tempdir");
    let (tab, _events) = start(dir.path()).await;
    let error = tab
        .goto("http://127.0.0.1:1/", LIMIT)
        .await
        .expect_err("nobody listens there");
    assert!(error.to_string().contains("net::ERR_"), "{error}");
    tab.close().await;
}

/// The pid of a process that has ended.
fn dead() -> u32 {
    let mut child = Command::new("true").spawn().expect("spawned");
    child.wait().expect("reaped");
    child.id()
}

#[tokio::test]
async fn stale_locks_of_dead_browsers_and_other_hosts_are_removed() {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("a name");
    for stale in [
        "some-old-container-4711".to_owned(),
        format!("{}-{}", host.trim(), dead()),
    ] {
        let dir = tempfile::tempdir().expect("tempdir");
        let lock = dir.path().join("SingletonLock");
        symlink(&stale, &lock).expect("link");
        let (tab, _events) = start(dir.path()).await;
        let now = std::fs::read_link(&lock)
            .expect("the lock of the browser that runs")
            .display()
            .to_string();
        assert_eq!(
            now,
            format!("{}-{}", host.trim(), tab.report().await.pid),
            "instead of {stale}"
        );
        tab.close().await;
    }
}

#[tokio::test]
async fn a_browser_that_is_not_there_is_named() {
    let dir = tempfile::tempdir().expect("tempdir");
    let options = LaunchOptions {
        executable: Some("/nowhere/chromium".into()),
        ..options(dir.path())
    };
    let error = launch(&options).await.expect_err("no browser");
    assert!(
        matches!(&error, BrowserError::NoBrowser(words) if words.contains("/nowhere/chromium")),
        "{error}"
    );
}

/// The child process of the next test: a gateway that is killed right after it has written a login.
/// Without the variable it does nothing.
#[tokio::test]
async fn writes_and_waits_to_be_killed() {
    let Some(profile) = std::env::var_os("WHARF_TEST_PROFILE") else {
        return;
    };
    let (tab, _events) = start(Path::new(&profile)).await;
    tab.goto(&std::env::var("WHARF_TEST_URL").expect("url"), LIMIT)
        .await
        .expect("loaded");
    tab.call("() => localStorage.setItem('login', 'kept')", &[], LIMIT)
        .await
        .expect("written");
    println!("WRITTEN");
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_killed_gateway_leaves_no_browser_and_loses_no_login() {
    let dir = tempfile::tempdir().expect("tempdir");
    let profile = dir.path().join("profile");
    let url = serve();
    let mut gateway = tokio::process::Command::new(std::env::current_exe().expect("self"))
        .args(["writes_and_waits_to_be_killed", "--exact", "--nocapture"])
        .env("WHARF_TEST_PROFILE", &profile)
        .env("WHARF_TEST_URL", &url)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("spawned");
    let mut lines = BufReader::new(gateway.stdout.take().expect("output")).lines();
    let written = async {
        while let Some(line) = lines.next_line().await.expect("read") {
            // The test runner writes the name of the test before, without a line end.
            if line.contains("WRITTEN") {
                return;
            }
        }
        panic!("it ended early");
    };
    // It starts a browser of its own.
    timeout(LIMIT * 2, written).await.expect("written in time");
    gateway.kill().await.expect("killed and reaped");

    // The next start waits for the guard of the killed gateway, which is closing its browser.
    let (tab, _events) = start(&profile).await;
    tab.goto(&url, LIMIT).await.expect("loaded");
    assert_eq!(
        tab.call("() => localStorage.getItem('login')", &[], LIMIT)
            .await,
        Ok(json!("kept"))
    );
    tab.close().await;
    until("everything gone", || on_profile(&profile).is_empty()).await;
}
