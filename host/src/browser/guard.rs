//! The guard: the parent process of Chromium.
//!
//! The guard outlives the gateway by a few seconds. When its standard input ends, for whatever
//! reason, it ends the pages, asks Chromium to exit (SIGTERM, which flushes Local Storage; a
//! SIGKILL loses a fresh login) and kills it only after a grace time. The pages are ended first: a
//! page that is just starting while Chromium closes is refused its databases, takes that for a
//! broken login, and deletes it. The guard holds the lock on the profile, so the lock is held
//! exactly as long as a Chromium of ours may be running.
//!
//! Lines on its standard output: `started <pid>`, `busy <pid>`, `profile <reason>`, `failed
//! <reason>`, `exited <status>`. Line on its standard input: `kill`.

use std::{
    ffi::OsString,
    io::{self, BufRead, Write},
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, ExitCode, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{SigSet, Signal, kill, killpg},
    unistd::Pid,
};

use super::{
    BrowserError, lock,
    process::{end_pages, end_rest},
};

/// The entry point of `guard <profile> <grace in ms> <program> <args…>`, which [`super::launch()`]
/// starts.
#[must_use]
pub fn main(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let (Some(profile), Some(grace), Some(program)) = (args.next(), args.next(), args.next())
    else {
        eprintln!("wharf guard is started by the gateway, not by hand");
        return ExitCode::from(2);
    };
    // A service manager signals every process of a service at once, but the guard must end only
    // after its Chromium. The standard library resets the signal mask of the child.
    let signals: SigSet = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP]
        .into_iter()
        .collect();
    if let Err(error) = signals.thread_block() {
        eprintln!("signals cannot be blocked: {error}");
    }
    let grace = grace
        .to_str()
        .and_then(|text| text.parse().ok())
        .map_or(Duration::from_secs(10), Duration::from_millis);
    let profile = PathBuf::from(profile);
    let taken = lock::take(&profile, grace).map_err(|error| match error {
        BrowserError::ProfileInUse { pid, .. } => format!("busy {pid}"),
        BrowserError::Profile { reason, .. } => format!("profile {reason}"),
        other => format!("failed {other}"),
    });
    let result = taken.and_then(|mut lock| {
        let child = Command::new(&program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|error| format!("failed {}: {error}", program.to_string_lossy()))?;
        lock.record(child.id())
            .map_err(|error| format!("profile {error}"))?;
        say(&format!("started {}", child.id()));
        Ok(watch(child, grace))
    });
    match result {
        Ok(status) => {
            say(&format!("exited {status}"));
            ExitCode::SUCCESS
        }
        Err(words) => {
            say(&words);
            ExitCode::FAILURE
        }
    }
}

/// Writes a line to standard output. The gateway may be gone, so a failure is ignored.
fn say(line: &str) {
    let mut out = io::stdout();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

enum News {
    Kill,
    Leave,
}

/// Waits until Chromium has exited, by itself or on request; returns its exit status.
fn watch(mut child: Child, grace: Duration) -> String {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX));
    let (sender, inbox) = mpsc::channel();
    thread::spawn(move || {
        let killed = io::stdin()
            .lock()
            .lines()
            .map_while(Result::ok)
            .any(|line| line == "kill");
        // This fails only when Chromium has already exited.
        let _ = sender.send(if killed { News::Kill } else { News::Leave });
    });
    let mut deadline: Option<Instant> = None;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => {
                // Ends the children of a browser that crashed.
                end_rest(pid);
                return status.to_string();
            }
            Ok(None) => {}
            Err(error) => return error.to_string(),
        }
        if let Some(at) = deadline {
            // Also ends a page that was being created when the others were ended.
            end_pages(pid);
            if Instant::now() >= at {
                let _ = killpg(pid, Signal::SIGKILL);
            }
        }
        match inbox.recv_timeout(Duration::from_millis(25)) {
            Ok(News::Kill) => {
                let _ = killpg(pid, Signal::SIGKILL);
            }
            Ok(News::Leave) => {
                end_pages(pid);
                let _ = kill(pid, Signal::SIGTERM);
                deadline = Some(Instant::now() + grace);
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            // The reader has ended after its only message; go on waiting for Chromium.
            Err(mpsc::RecvTimeoutError::Disconnected) => thread::sleep(Duration::from_millis(25)),
        }
    }
}
