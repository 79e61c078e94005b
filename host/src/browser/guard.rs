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
    fs::{self, File},
    io::{self, BufRead, Seek, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use nix::{
    fcntl::{Flock, FlockArg},
    sys::signal::{SigSet, Signal, kill, killpg},
    unistd::Pid,
};

use super::{
    lock::{self, recorded},
    process::{alive, command_line, renderers},
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
    let result = lock(&profile, grace).and_then(|mut lock| {
        free_profile(&profile, &mut lock)?;
        let child = Command::new(&program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|error| format!("failed {}: {error}", program.to_string_lossy()))?;
        record(&mut lock, child.id()).map_err(|error| format!("profile {error}"))?;
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

/// Takes the lock. After a crash of the gateway an older guard may still be closing its Chromium,
/// so this waits for it.
fn lock(profile: &Path, grace: Duration) -> Result<Flock<File>, String> {
    let until = Instant::now() + grace + Duration::from_secs(5);
    loop {
        let file = lock::open(profile).map_err(|error| format!("profile {error}"))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => return Ok(lock),
            Err((file, nix::errno::Errno::EWOULDBLOCK)) if Instant::now() >= until => {
                return Err(format!("busy {}", recorded(file).unwrap_or(0)));
            }
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => thread::sleep(Duration::from_millis(50)),
            Err((_, error)) => return Err(format!("profile {error}")),
        }
    }
}

fn record(lock: &mut Flock<File>, pid: u32) -> io::Result<()> {
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{pid}")
}

/// Frees the profile while holding its lock: ends an orphaned Chromium of ours, and removes the
/// marks of browsers that are gone. A browser that somebody else runs on this profile is left
/// alone.
fn free_profile(profile: &Path, lock: &mut Flock<File>) -> Result<(), String> {
    let ours = recorded(&mut **lock);
    if let Some(pid) = ours.filter(|pid| uses(*pid, profile)) {
        end_group(pid, Duration::from_secs(5));
    }
    if let Some((host, pid)) = lock::marked(profile)
        && lock::is_here(&host)
        && uses(pid, profile)
    {
        return Err(format!("busy {pid}"));
    }
    for name in [
        "SingletonLock",
        "SingletonCookie",
        "SingletonSocket",
        "DevToolsActivePort",
    ] {
        match fs::remove_file(profile.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(format!("profile cannot remove the stale {name}: {error}"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether that process is a browser on that profile. The pid alone is not enough, because it may
/// have been reused.
fn uses(pid: i32, profile: &Path) -> bool {
    let wanted = format!("--user-data-dir={}", profile.display());
    command_line(pid).iter().any(|arg| arg == wanted.as_bytes())
}

fn end_group(pid: i32, grace: Duration) {
    let browser = Pid::from_raw(pid);
    end_pages(browser);
    // An error means that the process is gone.
    let _ = kill(browser, Signal::SIGTERM);
    let until = Instant::now() + grace;
    while alive(pid) && Instant::now() < until {
        thread::sleep(Duration::from_millis(20));
    }
    let _ = killpg(browser, Signal::SIGKILL);
}

fn end_pages(browser: Pid) {
    for page in u32::try_from(browser.as_raw())
        .map(renderers)
        .unwrap_or_default()
    {
        // This fails when the process is already gone.
        let _ = kill(Pid::from_raw(page.cast_signed()), Signal::SIGKILL);
    }
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
                let _ = killpg(pid, Signal::SIGKILL);
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
