//! Starts a guard with a Chromium, and connects to the Chromium.

use std::{process::Stdio, sync::Arc, time::Duration};

use chromiumoxide::{Browser, handler::HandlerConfig};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    sync::mpsc,
    time::{Instant, sleep, timeout},
};
use tracing::{debug, warn};

use super::{
    BrowserError, BrowserEvent, LaunchOptions, Tab,
    args::{command_line, find_executable, plain_user_agent, shared_command_line},
    connection::{Connection, Process},
    tab,
    words::{PATIENCE, next_line, version_within},
};

/// How many lines of Chromium's standard error an error message quotes.
const STDERR_TAIL: usize = 5;

/// Starts a browser with one blank page.
///
/// # Errors
/// See [`BrowserError`]. After an error nothing is left running.
pub async fn launch(
    options: &LaunchOptions,
) -> Result<(Tab, mpsc::Receiver<BrowserEvent>), BrowserError> {
    let connection = start(options, false).await?;
    match tab::open(connection.clone(), options.tag.clone()).await {
        Ok(opened) => Ok(opened),
        Err(error) => {
            connection.process.kill().await;
            Err(BrowserError::Failed(error.to_string()))
        }
    }
}

/// Starts a browser under a guard and connects to it. A `shared` browser starts without a page.
pub(super) async fn start(
    options: &LaunchOptions,
    shared: bool,
) -> Result<Connection, BrowserError> {
    let (executable, kind) = find_executable(options.executable.as_deref(), options.kind)?;
    let user_agent = match &options.user_agent {
        Some(agent) => Some(agent.clone()),
        None => {
            let said = version_within(&executable, PATIENCE.min(options.launch_timeout)).await?;
            plain_user_agent(&said)
        }
    };
    let root = nix::unistd::geteuid().is_root();
    if root {
        warn!(
            session = options.tag,
            "running as root: Chromium's own sandbox is off; run the gateway as an ordinary user"
        );
    }
    let mut child = Command::new(&options.guard.program)
        .args(&options.guard.args)
        .arg(&options.profile)
        .arg(options.close_grace.as_millis().to_string())
        .arg(&executable)
        .args(if shared {
            shared_command_line(options, user_agent.as_deref(), root)
        } else {
            command_line(options, kind, user_agent.as_deref(), root)
        })
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A Ctrl-C in the terminal is meant for the gateway, which closes its browsers in order.
        .process_group(0)
        .spawn()
        .map_err(|error| {
            BrowserError::Failed(format!(
                "cannot start {}: {error}",
                options.guard.program.display()
            ))
        })?;
    let stderr = child.stderr.take().map(|pipe| tokio::spawn(tail(pipe)));
    let started = timeout(options.launch_timeout, connect(options, &mut child)).await;
    let failure = match started {
        Ok(Ok((pid, words, browser, handler))) => {
            let process = Arc::new(Process::new(child, pid));
            tokio::spawn(wait_for_end(words, Arc::clone(&process)));
            match Connection::start(browser, handler, Arc::clone(&process)).await {
                Ok(connection) => return Ok(connection),
                Err(error) => {
                    process.kill().await;
                    return Err(BrowserError::Failed(error.to_string()));
                }
            }
        }
        Ok(Err(error)) => error,
        Err(_) => {
            BrowserError::Failed(format!("no connection within {:?}", options.launch_timeout))
        }
    };
    // Closing the standard input of the guard makes it end Chromium.
    drop(child.stdin.take());
    let _ = timeout(options.close_grace + Duration::from_secs(1), child.wait()).await;
    let _ = child.kill().await;
    match (failure, stderr) {
        (BrowserError::Failed(reason), Some(stderr)) => {
            let said = stderr.await.unwrap_or_default();
            Err(BrowserError::Failed(if said.is_empty() {
                reason
            } else {
                format!("{reason}; it said: {said}")
            }))
        }
        (error, _) => Err(error),
    }
}

type Words = Lines<BufReader<ChildStdout>>;
type Connected = (u32, Words, Browser, chromiumoxide::Handler);

async fn connect(options: &LaunchOptions, child: &mut Child) -> Result<Connected, BrowserError> {
    let failed = |reason: &str| BrowserError::Failed(reason.to_owned());
    let out = child
        .stdout
        .take()
        .ok_or_else(|| failed("the guard has no output"))?;
    let mut words = BufReader::new(out).lines();
    let line = words
        .next_line()
        .await
        .ok()
        .flatten()
        .ok_or_else(|| failed("the guard ended at once"))?;
    let profile = options.profile.clone();
    let pid = match line.split_once(' ') {
        Some(("started", pid)) => pid.parse().map_err(|_| failed("the guard named no pid"))?,
        Some(("busy", pid)) => {
            return Err(BrowserError::ProfileInUse {
                profile,
                pid: pid.parse().unwrap_or(0),
            });
        }
        Some(("profile", reason)) => {
            return Err(BrowserError::Profile {
                profile,
                reason: reason.to_owned(),
            });
        }
        _ => return Err(BrowserError::Failed(line)),
    };
    let url = tokio::select! {
        url = devtools_url(&options.profile) => url,
        ended = words.next_line() => return Err(BrowserError::Failed(format!("Chromium ended: {}", ended.ok().flatten().unwrap_or_default()))),
    };
    // Our own deadlines are shorter; this one only drops requests that were never answered.
    let config = HandlerConfig {
        request_timeout: Duration::from_secs(120),
        viewport: None,
        ignore_https_errors: false,
        ..HandlerConfig::default()
    };
    let (browser, handler) = Browser::connect_with_config(url, config)
        .await
        .map_err(|error| failed(&error.to_string()))?;
    Ok((pid, words, browser, handler))
}

/// Waits for the address of the debugging socket, which Chromium writes into the profile; the guard
/// has removed an older file.
async fn devtools_url(profile: &std::path::Path) -> String {
    loop {
        let text = tokio::fs::read_to_string(profile.join("DevToolsActivePort"))
            .await
            .unwrap_or_default();
        if let Some((port, path)) = text.split_once('\n')
            && path.starts_with("/devtools/")
        {
            return format!("ws://127.0.0.1:{}{}", port.trim(), path.trim());
        }
        sleep(Duration::from_millis(10)).await;
    }
}

async fn wait_for_end(mut words: Words, process: Arc<Process>) {
    let mut said = String::new();
    while let Ok(Some(line)) = words.next_line().await {
        said = line;
    }
    process.ended(said).await;
}

/// Reads Chromium's standard error to its end, so that Chromium never blocks on it; returns the
/// last lines, each cut to a maximum length.
async fn tail(pipe: impl AsyncRead + Unpin) -> String {
    let mut pipe = BufReader::new(pipe);
    let mut last = std::collections::VecDeque::new();
    let began = Instant::now();
    while let Some(line) = next_line(&mut pipe).await {
        debug!(after = ?began.elapsed(), line, "chromium");
        last.push_back(line);
        if last.len() > STDERR_TAIL {
            last.pop_front();
        }
    }
    Vec::from(last).join(" | ")
}
