//! Finds the processes that belong to a gateway in `/proc`.
//!
//! Every test has its own folder, so a process whose command line names the folder belongs to that
//! test. Chromium's renderers do not name it, but they share the process group of a process that
//! does.

use std::{collections::BTreeSet, fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use procfs::process::{self, all_processes};

use crate::until;

#[derive(Debug)]
struct Process {
    pid: i32,
    group: i32,
    line: String,
}

/// The processes that belong to a folder, with the process groups seen so far.
#[derive(Debug, Clone, Default)]
pub struct Family {
    folder: String,
    groups: BTreeSet<i32>,
}

impl Family {
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

    fn members(&mut self) -> Vec<Process> {
        let ours = i32::try_from(std::process::id()).unwrap_or_default();
        let all: Vec<Process> = running()
            .into_iter()
            .filter(|process| process.pid != ours)
            .collect();
        let named = all
            .iter()
            .filter(|process| process.line.contains(&self.folder));
        self.groups.extend(named.map(|process| process.group));
        let own_group = all
            .iter()
            .find(|process| process.pid == ours)
            .map(|process| process.group);
        all.into_iter()
            .filter(|p| {
                p.line.contains(&self.folder)
                    || (Some(p.group) != own_group && self.groups.contains(&p.group))
            })
            .collect()
    }
}

fn running() -> Vec<Process> {
    all_processes()
        .into_iter()
        .flatten()
        .filter_map(|process| read(&process.ok()?))
        .collect()
}

/// Returns `None` for a process that has ended, a zombie included.
fn read(process: &process::Process) -> Option<Process> {
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
