//! A browser's process tree: what it costs, read from `/proc`, and how it is ended.
//!
//! A process that ends while it is examined counts as gone; no function here fails.

use std::{
    collections::HashMap,
    fs, thread,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};
use procfs::process::{Process, Stat, all_processes};

/// Limit for waiting until killed processes are gone. One that is stuck in the kernel stays longer.
const DYING: Duration = Duration::from_secs(3);

/// Measurements of a browser.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Process id of the main process.
    pub pid: u32,
    /// The product and version, e.g. `Chrome/156.0.8078.79`.
    pub product: String,
    /// Private memory of the tree in bytes: anonymous and shared-memory PSS. File-backed pages are
    /// excluded: every Chromium on the machine shares them, so they would be counted once for each.
    pub memory_bytes: u64,
    /// Number of processes in the tree.
    pub processes: u32,
    /// Processor time of the running processes of the tree, in milliseconds.
    pub cpu_millis: u64,
}

impl Report {
    /// The share of one of `pages` pages, with memory and processor time divided equally.
    pub(super) fn share(self, pages: u64) -> Self {
        let pages = pages.max(1);
        Self {
            memory_bytes: self.memory_bytes / pages,
            cpu_millis: self.cpu_millis / pages,
            ..self
        }
    }
}

/// Measures the tree below `pid`.
pub(super) fn measure(pid: u32, product: String) -> Report {
    let tree = tree(pid);
    let memory_bytes = tree.iter().filter_map(|pid| memory(*pid)).sum();
    let cpu_millis = tree.iter().filter_map(|pid| cpu(*pid)).sum();
    Report {
        pid,
        product,
        memory_bytes,
        cpu_millis,
        processes: u32::try_from(tree.len()).unwrap_or(u32::MAX),
    }
}

/// The processes below `pid` in which pages run.
fn renderers(pid: u32) -> Vec<u32> {
    let runs_pages = |pid: &u32| {
        // Children of the zygote have spaces in place of NUL bytes in their command line.
        command_line(pid.cast_signed())
            .iter()
            .flat_map(|arg| arg.split(|byte| *byte == b' '))
            .any(|arg| arg == b"--type=renderer")
    };
    tree(pid).into_iter().filter(runs_pages).collect()
}

/// The arguments of a process; empty when it is gone. Bytes, because arguments need not be UTF-8:
/// the library refuses to read such ones, and a browser would not be recognised.
pub(super) fn command_line(pid: i32) -> Vec<Vec<u8>> {
    let line = if pid > 0 {
        fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default()
    } else {
        Vec::new()
    };
    line.split(|byte| *byte == 0)
        .filter(|arg| !arg.is_empty())
        .map(<[u8]>::to_vec)
        .collect()
}

/// Whether that process is running. A zombie is not.
pub(super) fn alive(pid: i32) -> bool {
    pid > 0 && Process::new(pid).is_ok_and(|process| process.is_alive())
}

/// Whether that process exists although its command line cannot be read: `/proc` may be mounted so
/// that it hides the processes of other users.
pub(super) fn is_hidden(pid: i32) -> bool {
    pid > 0
        && fs::read(format!("/proc/{pid}/cmdline")).is_err()
        && kill(Pid::from_raw(pid), None) != Err(Errno::ESRCH)
}

/// Ends a browser and its children: the pages first, then the browser cleanly, and after `grace`
/// whatever is left.
pub(super) fn end_group(pid: i32, grace: Duration) {
    let browser = Pid::from_raw(pid);
    end_pages(browser);
    // Errors mean that it is gone.
    let _ = kill(browser, Signal::SIGTERM);
    let until = Instant::now() + grace;
    while alive(pid) && Instant::now() < until {
        thread::sleep(Duration::from_millis(20));
    }
    end_rest(browser);
}

/// Kills what is left of a browser's process group and waits until it is gone: a process that was
/// killed still runs for some milliseconds, and the profile is another's only after it.
pub(super) fn end_rest(browser: Pid) {
    let until = Instant::now() + DYING;
    // Fails when the group is empty. A zombie that nobody waits for does nothing any more.
    while killpg(browser, Signal::SIGKILL).is_ok()
        && runs_in_group(browser.as_raw())
        && Instant::now() < until
    {
        thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process of that group is running.
fn runs_in_group(group: i32) -> bool {
    all_processes()
        .into_iter()
        .flatten()
        .flatten()
        .any(|process| process.stat().is_ok_and(|stat| stat.pgrp == group) && process.is_alive())
}

/// Kills the processes in which a browser's pages run.
pub(super) fn end_pages(browser: Pid) {
    for page in u32::try_from(browser.as_raw())
        .map(renderers)
        .unwrap_or_default()
    {
        // Fails when it is gone already.
        let _ = kill(Pid::from_raw(page.cast_signed()), Signal::SIGKILL);
    }
}

/// `root` and everything below it.
fn tree(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for process in all_processes().into_iter().flatten().flatten() {
        let parent = process
            .stat()
            .ok()
            .and_then(|stat| u32::try_from(stat.ppid).ok());
        if let (Some(parent), Ok(pid)) = (parent, u32::try_from(process.pid())) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = vec![root];
    let mut next = 0;
    while next < found.len() {
        found.extend(children.remove(&found[next]).unwrap_or_default());
        next += 1;
    }
    found
}

fn process(pid: u32) -> Option<Process> {
    Process::new(pid.cast_signed()).ok()
}

/// User and system time in milliseconds.
fn cpu(pid: u32) -> Option<u64> {
    let Stat { utime, stime, .. } = process(pid)?.stat().ok()?;
    (utime + stime)
        .saturating_mul(1000)
        .checked_div(procfs::ticks_per_second())
}

/// Anonymous and shared-memory PSS in bytes.
fn memory(pid: u32) -> Option<u64> {
    let rollup = process(pid)?.smaps_rollup().ok()?.memory_map_rollup;
    let bytes = rollup.iter().flat_map(|map| {
        ["Pss_Anon", "Pss_Shmem"].map(|key| map.extension.map.get(key).copied().unwrap_or(0))
    });
    Some(bytes.sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_process_is_measured() {
        let own = std::process::id();
        let spun: u64 = (0..50_000_000_u64).fold(1, |sum, n| {
            std::hint::black_box(sum.wrapping_mul(31).wrapping_add(n))
        });
        let report = measure(own, "test".into());
        assert!(report.cpu_millis > 0, "{spun}");
        assert!(
            (100_000..1 << 34).contains(&report.memory_bytes) && report.processes >= 1,
            "{report:?}"
        );
        assert!(alive(own.cast_signed()) && !alive(0) && !alive(-1));
        assert!(
            command_line(own.cast_signed())
                .first()
                .is_some_and(|program| !program.is_empty())
        );
        assert_eq!(command_line(0), [[0_u8; 0]; 0]);
        assert!(!is_hidden(own.cast_signed()) && !is_hidden(0) && !is_hidden(-1));
    }

    #[test]
    fn a_process_that_was_not_waited_for_is_not_alive() {
        let mut child = std::process::Command::new("true").spawn().expect("true");
        let pid = i32::try_from(child.id()).expect("a pid");
        let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while alive(pid) && std::time::Instant::now() < until {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert!(!alive(pid), "it is a zombie");
        assert!(
            tree(std::process::id()).contains(&child.id()),
            "and in the table still"
        );
        child.wait().expect("reaped");
        assert!(!tree(std::process::id()).contains(&child.id()));
    }

    #[test]
    fn the_rest_of_a_group_is_gone_when_its_end_returns() {
        use std::os::unix::process::CommandExt;
        let mut first = std::process::Command::new("sh")
            .args(["-c", "sleep 1000 & sleep 1000 & echo; wait"])
            .stdout(std::process::Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("sh");
        let mut line = [0];
        std::io::Read::read_exact(first.stdout.as_mut().expect("piped"), &mut line)
            .expect("started");
        let group = first.id().cast_signed();
        first.kill().expect("killed");
        first.wait().expect("reaped");
        assert!(runs_in_group(group), "the children of a shell outlive it");
        end_rest(Pid::from_raw(group));
        assert!(!runs_in_group(group));
    }
}
