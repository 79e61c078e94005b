//! The browser room with a real Chromium on a page of our own.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on says why")]

use std::{
    io::{Read, Write},
    net::TcpListener,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::{sync::mpsc::Receiver, time::timeout};
use tracing_subscriber::{Layer, layer::SubscriberExt};
use wharf::{
    browser::{BrowserError, BrowserEvent, Guard, LaunchOptions, SharedBrowser, Tab, TabError, find_executable, launch},
    config::BrowserKind,
};

const LIMIT: Duration = Duration::from_secs(20);

/// Serves one tiny page for as long as the test process lives.
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
                    let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
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
        guard: Guard { program: env!("CARGO_BIN_EXE_wharf").into(), args: vec!["guard".into()] },
    }
}

async fn start(profile: &Path) -> (Tab, Receiver<BrowserEvent>) {
    launch(&options(profile)).await.expect("a browser")
}

fn command_line(pid: i32) -> String {
    String::from_utf8_lossy(&std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()).into_owned()
}

/// Processes whose command line names the profile.
fn on_profile(profile: &Path) -> Vec<i32> {
    let needle = profile.display().to_string();
    let entries = std::fs::read_dir("/proc").expect("proc").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| command_line(*pid).contains(&needle)).collect()
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn next(events: &mut Receiver<BrowserEvent>) -> BrowserEvent {
    timeout(LIMIT, events.recv()).await.expect("news in time").expect("news")
}

fn signal(name: &str, pid: i32) {
    assert!(Command::new("kill").args([name, &pid.to_string()]).status().expect("kill").success());
}

fn kill(pid: i32) {
    signal("-9", pid);
}

#[tokio::test]
async fn a_page_answers_speaks_and_closes_without_leaving_a_process() {
    let dir = tempfile::tempdir().expect("tempdir");
    let profile = dir.path().join("profile");
    let (tab, mut events) = start(&profile).await;
    tab.prepare("say", "window.marked = 1; window.say && say('hello')").await.expect("prepared");
    let url = serve();
    tab.goto(&url, LIMIT).await.expect("loaded");
    assert_eq!(next(&mut events).await, BrowserEvent::Binding("hello".into()));

    let call = async |function: &str, args: &[serde_json::Value]| tab.call(function, args, LIMIT).await;
    assert_eq!(call("(a, b) => a + b", &[json!("x\u{2028}"), json!("\"</script>")]).await, Ok(json!("x\u{2028}\"</script>")));
    assert_eq!(call("() => undefined", &[]).await, Ok(json!(null)));
    assert_eq!(call("async () => ({marked: window.marked, driven: navigator.webdriver})", &[]).await, Ok(json!({"marked": 1, "driven": false})));
    assert_eq!(call("() => { throw new Error('no') }", &[]).await, Err(TabError::Script("no".into())));
    // Half a surrogate pair is no character: the library would drop such an answer, and nobody would ever get it.
    assert_eq!(
        call("() => ({half: 'a\\ud83d', whole: '\\ud83d\\ude00', other: '\\\\ud83d'})", &[]).await,
        Ok(json!({"half": "a\u{FFFD}", "whole": "😀", "other": "\\ud83d"}))
    );
    assert_eq!(call("() => { throw new Error('no \\ud83d') }", &[]).await, Err(TabError::Script("no \u{FFFD}".into())));
    assert!(matches!(call("() => 5n", &[]).await, Err(TabError::Script(_))));
    let agent = call("() => navigator.userAgent", &[]).await.expect("agent");
    assert!(!agent.as_str().expect("text").contains("Headless"), "{agent}");
    let short = Duration::from_millis(100);
    assert_eq!(tab.call("() => new Promise(() => {})", &[], short).await, Err(TabError::Timeout(short)));

    call("() => say('x'.repeat(9 << 20))", &[]).await.expect("said");
    assert_eq!(next(&mut events).await, BrowserEvent::TooLarge(9 << 20));

    let report = tab.report().await;
    assert!(report.processes > 1 && report.memory_bytes > 10_000_000, "{report:?}");

    tab.reload().await.expect("reloaded");
    assert_eq!(next(&mut events).await, BrowserEvent::Binding("hello".into()), "the binding survives");

    let taken = LaunchOptions { close_grace: Duration::ZERO, ..options(&profile) };
    assert!(matches!(launch(&taken).await, Err(BrowserError::ProfileInUse { .. })));

    tab.close().await;
    assert!(matches!(next(&mut events).await, BrowserEvent::Closed(_)));
    assert_eq!(events.recv().await, None);
    assert_eq!(on_profile(&profile), Vec::<i32>::new());
    assert!(matches!(tab.call("() => 1", &[], LIMIT).await, Err(TabError::Gone(_))));
}

#[tokio::test]
async fn a_dead_renderer_and_a_dead_browser_are_told_and_hang_nobody() {
    let dir = tempfile::tempdir().expect("tempdir");
    let profile = dir.path().join("profile");
    let (tab, mut events) = start(&profile).await;
    tab.prepare("say", "").await.expect("prepared");
    let url = serve();
    tab.goto(&url, LIMIT).await.expect("loaded");
    for pid in on_profile(&profile).into_iter().filter(|pid| command_line(*pid).contains("--type=renderer")) {
        kill(pid);
    }
    assert!(matches!(next(&mut events).await, BrowserEvent::Crashed(_)));

    let pid = tab.report().await.pid;
    kill(i32::try_from(pid).expect("a pid"));
    while !matches!(next(&mut events).await, BrowserEvent::Closed(_)) {}
    assert!(tab.call("() => 1", &[], LIMIT).await.is_err());
    until("everything gone", || on_profile(&profile).is_empty()).await;
    assert!(matches!(tab.goto("http://127.0.0.1:1/", LIMIT).await, Err(TabError::Unreachable { .. })));
}

/// As a service manager stops a service: every process of it is told at once.
#[tokio::test]
async fn a_guard_that_is_told_to_stop_waits_for_its_browser() {
    let dir = tempfile::tempdir().expect("tempdir");
    let profile = dir.path().join("profile");
    let (tab, mut events) = start(&profile).await;
    let told = on_profile(&profile);
    assert!(told.len() > 2, "guard, browser and children: {told:?}");
    for pid in told {
        // Fails for a child that the browser has ended meanwhile.
        Command::new("kill").args(["-TERM", &pid.to_string()]).stderr(Stdio::null()).status().expect("kill runs");
    }
    while !matches!(next(&mut events).await, BrowserEvent::Closed(_)) {}
    until("everything gone", || on_profile(&profile).is_empty()).await;
    tab.close().await;
}

/// A page that sees its databases close with the browser may do anything; WhatsApp Web takes it for a broken login and
/// deletes it.
#[tokio::test]
async fn pages_are_gone_before_their_browser_closes() {
    let dir = tempfile::tempdir().expect("tempdir");
    let url = serve();
    let (tab, _events) = start(dir.path()).await;
    tab.goto(&url, LIMIT).await.expect("loaded");
    tab.call("() => localStorage.setItem('login', 'kept')", &[], LIMIT).await.expect("written");
    let browser = i32::try_from(tab.report().await.pid).expect("a pid");
    let pages = || on_profile(dir.path()).into_iter().filter(|pid| command_line(*pid).contains("--type=renderer")).count();
    assert!(pages() > 0);
    signal("-STOP", browser);
    let closing = tokio::spawn(async move { tab.close().await });
    until("the pages end while the browser cannot", || pages() == 0).await;
    assert!(on_profile(dir.path()).contains(&browser));
    signal("-CONT", browser);
    closing.await.expect("closed");

    let (tab, _events) = start(dir.path()).await;
    tab.goto(&url, LIMIT).await.expect("loaded");
    assert_eq!(tab.call("() => localStorage.getItem('login')", &[], LIMIT).await, Ok(json!("kept")));
    tab.close().await;
}

#[tokio::test]
async fn an_unreachable_page_is_named_with_the_browsers_words() {
    let dir = tempfile::tempdir().expect("tempdir");
    let (tab, _events) = start(dir.path()).await;
    let error = tab.goto("http://127.0.0.1:1/", LIMIT).await.expect_err("nobody listens there");
    assert!(error.to_string().contains("net::ERR_"), "{error}");
    tab.close().await;
}

/// A process of this machine that has ended.
fn dead() -> u32 {
    let mut child = Command::new("true").spawn().expect("spawned");
    child.wait().expect("reaped");
    child.id()
}

#[tokio::test]
async fn stale_locks_of_dead_browsers_and_other_hosts_are_removed() {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("a name");
    for stale in ["some-old-container-4711".to_owned(), format!("{}-{}", host.trim(), dead())] {
        let dir = tempfile::tempdir().expect("tempdir");
        let lock = dir.path().join("SingletonLock");
        symlink(&stale, &lock).expect("link");
        let (tab, _events) = start(dir.path()).await;
        let now = std::fs::read_link(&lock).expect("the lock of the browser that runs").display().to_string();
        assert_eq!(now, format!("{}-{}", host.trim(), tab.report().await.pid), "instead of {stale}");
        tab.close().await;
    }
}

#[tokio::test]
async fn a_browser_that_is_not_there_is_named() {
    let dir = tempfile::tempdir().expect("tempdir");
    let options = LaunchOptions { executable: Some("/nowhere/chromium".into()), ..options(dir.path()) };
    let error = launch(&options).await.expect_err("no browser");
    assert!(matches!(&error, BrowserError::NoBrowser(words) if words.contains("/nowhere/chromium")), "{error}");
}

/// The other half of the next test: a gateway that is killed a moment after it wrote a login.
#[tokio::test]
async fn writes_and_waits_to_be_killed() {
    let Some(profile) = std::env::var_os("WHARF_TEST_PROFILE") else { return };
    let (tab, _events) = start(Path::new(&profile)).await;
    tab.goto(&std::env::var("WHARF_TEST_URL").expect("url"), LIMIT).await.expect("loaded");
    tab.call("() => localStorage.setItem('login', 'kept')", &[], LIMIT).await.expect("written");
    println!("WRITTEN");
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_killed_gateway_leaves_no_browser_and_loses_no_login() {
    let dir = tempfile::tempdir().expect("tempdir");
    let profile = dir.path().join("profile");
    let url = serve();
    let mut gateway = Command::new(std::env::current_exe().expect("self"))
        .args(["writes_and_waits_to_be_killed", "--exact", "--nocapture"])
        .env("WHARF_TEST_PROFILE", &profile)
        .env("WHARF_TEST_URL", &url)
        .stdout(Stdio::piped())
        .spawn()
        .expect("spawned");
    let mut out = gateway.stdout.take().expect("output");
    let mut said = String::new();
    let mut byte = [0];
    while !said.contains("WRITTEN") {
        assert_eq!(out.read(&mut byte).expect("read"), 1, "it ended early: {said}");
        said.push(byte[0].into());
    }
    gateway.kill().expect("SIGKILL");
    gateway.wait().expect("reaped");

    // The next start waits for the old guard, which is closing its browser.
    let (tab, _events) = start(&profile).await;
    tab.goto(&url, LIMIT).await.expect("loaded");
    assert_eq!(tab.call("() => localStorage.getItem('login')", &[], LIMIT).await, Ok(json!("kept")));
    tab.close().await;
    until("everything gone", || on_profile(&profile).is_empty()).await;
}

/// A Chromium that does nothing until the gate is there. What it then does, it does also when nobody waits for it any more.
fn behind_a_gate(dir: &Path) -> (PathBuf, PathBuf) {
    let (chromium, _) = find_executable(None, BrowserKind::Headless).expect("a Chromium");
    let (script, gate) = (dir.join("slow-chromium"), dir.join("gate"));
    let text = format!("#!/bin/sh\n(while [ ! -e {gate:?} ]; do sleep 0.05; done; exec {chromium:?} \"$@\") &\nwait\n");
    std::fs::write(&script, text).expect("a script");
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).expect("executable");
    (script, gate)
}

#[tokio::test]
async fn in_a_shared_browser_nobody_waits_for_the_launch_of_another() {
    let dir = tempfile::tempdir().expect("tempdir");
    let shared = SharedBrowser::new(dir.path().join("shared"));
    let (first, _news) = shared.open(&options(&dir.path().join("first"))).await.expect("a page");
    let (script, gate) = behind_a_gate(dir.path());
    let slow = LaunchOptions { executable: Some(script.clone()), ..options(&dir.path().join("slow")) };
    let (browser, waiting) = (Arc::clone(&shared), script.display().to_string());
    let slow = tokio::spawn(async move { browser.open(&slow).await });
    until("the slow one is being opened", || processes(&waiting) > 0).await;

    let (other, _other_news) = timeout(LIMIT, shared.open(&options(&dir.path().join("other")))).await.expect("it does not wait").expect("a page");
    assert!(!slow.is_finished());
    assert_eq!(other.report().await.pid, first.report().await.pid, "one browser");
    timeout(LIMIT, other.close()).await.expect("nor does who leaves");
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
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(said.clone()));
    let shared = SharedBrowser::new(dir.path().join("shared"));
    let (first, _news) = shared.open(&options(&dir.path().join("first"))).await.expect("a page");
    let (script, gate) = behind_a_gate(dir.path());
    let late = LaunchOptions { executable: Some(script), launch_timeout: Duration::from_millis(300), ..options(&dir.path().join("late")) };
    let error = shared.open(&late).await.expect_err("the gate is closed");
    assert!(error.to_string().contains("did not open the profile"), "{error}");

    // Its page comes when nobody waits for it any more.
    std::fs::write(&gate, "").expect("the gate");
    until("the late page is closed", || said.0.lock().expect("lines").iter().any(|line| line.contains("came late"))).await;
    let before = first.report().await;
    // The profile is free for another try, and the browser closes with the last page: none is left behind.
    let (again, _again_news) = shared.open(&options(&dir.path().join("late"))).await.expect("a page");
    assert_eq!(again.report().await.pid, before.pid);
    again.close().await;
    first.close().await;
    until("everything gone", || on_profile(dir.path()).is_empty()).await;
}

/// Living processes whose command line has these words.
fn processes(words: &str) -> usize {
    let entries = std::fs::read_dir("/proc").expect("proc").flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()).filter(|pid| command_line(*pid).contains(words)).count()
}

/// What was logged.
#[derive(Debug, Clone, Default)]
struct Said(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> Layer<S> for Said {
    fn on_event(&self, event: &tracing::Event<'_>, _context: tracing_subscriber::layer::Context<'_, S>) {
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
