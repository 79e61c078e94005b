//! Finds the processes that belong to a gateway in `/proc`.
//!
//! Every test has its own folder, so a process whose command line names the folder belongs to that
//! test. Chromium's renderers do not name it, but they share the process group of a process that
//! does.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{ExitStatus, Output},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, getpgid, getpgrp},
};
use procfs::process::{self, all_processes};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{Child, Command},
};

use crate::until;

#[derive(Debug)]
struct Process {
    pid: i32,
    group: i32,
    line: String,
}

/// The processes that belong to a folder, with the process groups seen so far.
#[derive(Debug, Clone, Default)]
pub struct ProcessSet {
    folder: String,
    groups: BTreeSet<i32>,
}

impl ProcessSet {
    /// The processes of the gateway that works in `folder`.
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        Self {
            folder: folder.to_string_lossy().into_owned(),
            groups: BTreeSet::new(),
        }
    }

    /// The pids of the living processes without our own. Their groups are remembered, so that a
    /// group is still known when its leader has ended.
    pub fn alive(&mut self) -> Vec<i32> {
        self.members()
            .into_iter()
            .map(|process| process.pid)
            .collect()
    }

    /// The pids of the main Chromium processes.
    pub fn browsers(&mut self) -> Vec<i32> {
        let mains = self
            .members()
            .into_iter()
            .filter(|process| process.pid == process.group && is_chromium(&process.line));
        mains.map(|process| process.pid).collect()
    }

    /// The pids of the processes that run pages.
    pub fn renderers(&mut self) -> Vec<i32> {
        self.members()
            .into_iter()
            .filter(|process| process.line.contains("--type=renderer"))
            .map(|process| process.pid)
            .collect()
    }

    /// Waits until no process is left.
    ///
    /// # Errors
    /// When processes are left after `limit`; the error has their command lines.
    pub async fn until_gone(&mut self, limit: Duration) -> Result<()> {
        let gone = until("every process gone", limit, async || {
            Ok(self.members().is_empty().then_some(()))
        });
        gone.await
            .with_context(|| format!("left behind: {:#?}", self.members()))
    }

    /// Waits until every process has ended, and kills those that are left after `grace`. Returns
    /// the pids of the killed ones.
    pub async fn reap(&mut self, grace: Duration) -> Vec<i32> {
        if self.until_gone(grace).await.is_ok() {
            return vec![];
        }
        self.kill()
    }

    /// Sends SIGKILL to every process that is left and returns their pids.
    pub(crate) fn kill(&mut self) -> Vec<i32> {
        let left = self.alive();
        for pid in &left {
            // It may have ended already.
            let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
        left
    }

    fn members(&mut self) -> Vec<Process> {
        let ours = i32::try_from(std::process::id()).unwrap_or_default();
        // Our own group is never taken for the gateway's, although a process in it may name the
        // folder: the group includes the test itself, and whoever started it.
        let own_group = getpgrp().as_raw();
        let all: Vec<Process> = running()
            .into_iter()
            .filter(|process| process.pid != ours)
            .collect();
        let named = all
            .iter()
            .filter(|process| process.line.contains(&self.folder));
        self.groups.extend(
            named
                .map(|process| process.group)
                .filter(|group| *group != own_group),
        );
        all.into_iter()
            .filter(|p| p.line.contains(&self.folder) || self.groups.contains(&p.group))
            .collect()
    }
}

/// A program that starts further processes, each of which names a folder on its command line, for
/// example the profile of a browser. When the value is dropped, the program is asked to end, and
/// whatever is left after a grace time is killed.
#[derive(Debug)]
pub struct Program {
    /// The program itself.
    pub child: Child,
    processes: ProcessSet,
    grace: Duration,
}

impl Program {
    /// Starts the program.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &mut Command, folder: &Path, grace: Duration) -> Result<Self> {
        let child = command
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {:?}", command.as_std().get_program()))?;
        let mut processes = ProcessSet::of(folder);
        // A program with a process group of its own belongs to the group, whatever it is called.
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        let leads = |pid: &i32| getpgid(Some(Pid::from_raw(*pid))) == Ok(Pid::from_raw(*pid));
        processes.groups.extend(pid.filter(leads));
        Ok(Self {
            child,
            processes,
            grace,
        })
    }

    /// Waits for the program's end and returns its output, which must be piped.
    ///
    /// # Errors
    /// When it does not end within `limit`; it is stopped as soon as the value is dropped.
    pub async fn output(&mut self, limit: Duration) -> Result<Output> {
        let (out, err) = (self.child.stdout.take(), self.child.stderr.take());
        let all = async { tokio::try_join!(read(out), read(err), self.child.wait()) };
        let (stdout, stderr, status) = tokio::time::timeout(limit, all)
            .await
            .with_context(|| format!("the program did not end within {limit:?}"))??;
        Ok(Output {
            status,
            stdout,
            stderr,
        })
    }

    /// Sends SIGINT, as Ctrl-C does, and waits for the program's end.
    ///
    /// # Errors
    /// When the program has ended before, or does not end within `limit`.
    pub async fn interrupt(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.processes.alive();
        let pid = self.child.id().context("the program has ended")?;
        kill(Pid::from_raw(i32::try_from(pid)?), Signal::SIGINT)?;
        self.ended(limit).await
    }

    /// Closes the program's standard input, which must be piped, and waits for the program's end.
    ///
    /// # Errors
    /// When it does not end within `limit`.
    pub async fn close(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.processes.alive();
        drop(self.child.stdin.take());
        self.ended(limit).await
    }

    /// Waits until no process of the program is left.
    ///
    /// # Errors
    /// When processes are left after `limit`; the error has their command lines.
    pub async fn until_gone(&mut self, limit: Duration) -> Result<()> {
        self.processes.until_gone(limit).await
    }

    async fn ended(&mut self, limit: Duration) -> Result<ExitStatus> {
        Ok(tokio::time::timeout(limit, self.child.wait())
            .await
            .with_context(|| format!("the program did not end within {limit:?}"))??)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.processes.alive();
        let input = self.child.stdin.take();
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok());
        // A program whose input is a pipe ends when that is closed.
        if let (None, Some(pid)) = (input, pid) {
            // It may have ended already.
            let _ = kill(Pid::from_raw(pid), Signal::SIGINT);
        }
        let until = Instant::now() + self.grace;
        while Instant::now() < until {
            // This also reaps the program.
            let runs = matches!(self.child.try_wait(), Ok(None));
            if !runs && self.processes.alive().is_empty() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        self.processes.kill();
    }
}

async fn read(pipe: Option<impl AsyncRead + Unpin>) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut pipe) = pipe {
        pipe.read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

fn running() -> Vec<Process> {
    all_processes()
        .into_iter()
        .flatten()
        .filter_map(|process| described(&process.ok()?))
        .collect()
}

/// Returns `None` for a process that has ended, a zombie included.
fn described(process: &process::Process) -> Option<Process> {
    let stat = process.stat().ok()?;
    if stat.state == 'Z' {
        return None;
    }
    // Read as bytes, because procfs refuses command lines that are not UTF-8.
    let line = fs::read(format!("/proc/{}/cmdline", stat.pid)).ok()?;
    Some(Process {
        pid: stat.pid,
        group: stat.pgrp,
        line: String::from_utf8_lossy(&line).replace('\0', " "),
    })
}

/// Whether this is the command line of a browser. The guard process has the browser's switches on
/// its command line too, so the program's name decides.
fn is_chromium(line: &str) -> bool {
    let program = line.split(' ').next().unwrap_or_default();
    line.contains("--user-data-dir=")
        && program
            .rsplit('/')
            .next()
            .is_some_and(|name| name.contains("chrom"))
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    /// A shell that runs until it is killed and names `folder` on its command line.
    fn shell(script: &str, folder: &Path) -> Command {
        let mut shell = Command::new("sh");
        shell
            .args(["-c", script])
            .arg(folder)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        shell
    }

    fn pid(child: &Child) -> i32 {
        child.id().and_then(|pid| pid.try_into().ok()).expect("pid")
    }

    #[tokio::test]
    async fn our_own_group_is_never_taken_for_the_gateways() {
        let folder = tempfile::tempdir().expect("a folder");
        let other = tempfile::tempdir().expect("a folder");
        // Both are in our group, and only one names the folder.
        let script = "while true; do sleep 1; done";
        let named = shell(script, folder.path()).spawn().expect("sh");
        let _unnamed = shell(script, other.path()).spawn().expect("sh");
        let mut processes = ProcessSet::of(folder.path());
        until(
            "the shell with its arguments",
            Duration::from_secs(10),
            async || Ok((processes.alive() == [pid(&named)]).then_some(())),
        )
        .await
        .expect("the named one alone");
        assert!(!processes.groups.contains(&getpgrp().as_raw()));
    }

    #[tokio::test]
    async fn a_dropped_program_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        // The inner shell is not in the program's group, and neither of them minds SIGINT.
        let script = "trap '' INT; setsid sh -c 'trap \"\" INT; echo; while true; do sleep 1; done' \"$0\" & wait; wait";
        let mut command = shell(script, folder.path());
        command.stdout(Stdio::piped());
        let mut program =
            Program::start(&mut command, folder.path(), Duration::from_millis(300)).expect("sh");
        let mut line = [0];
        let mut out = program.child.stdout.take().expect("output");
        out.read_exact(&mut line)
            .await
            .expect("the inner shell runs");
        let mut processes = ProcessSet::of(folder.path());
        assert!(processes.alive().len() >= 2, "{:?}", processes.alive());
        drop(program);
        processes
            .until_gone(Duration::from_secs(10))
            .await
            .expect("nothing is left");
    }
}
