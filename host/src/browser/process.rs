//! A browser's process tree and what it costs, read from `/proc`.

use std::{collections::HashMap, fs};

/// A browser as the system sees it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Process id of the main process.
    pub pid: u32,
    /// E.g. `Chrome/156.0.8078.79`.
    pub product: String,
    /// Private memory of the tree in bytes: anonymous and shared-memory PSS. File-backed pages are shared with every
    /// other Chromium on the machine and would be counted again for each.
    pub memory_bytes: u64,
    /// Processes in the tree.
    pub processes: u32,
    /// Processor time of the living processes of the tree, in milliseconds.
    pub cpu_millis: u64,
}

impl Report {
    /// An equal part for each of so many pages.
    pub(super) fn share(self, pages: u64) -> Self {
        let pages = pages.max(1);
        Self { memory_bytes: self.memory_bytes / pages, cpu_millis: self.cpu_millis / pages, ..self }
    }
}

/// Measures the tree below `pid`. Processes that end meanwhile are passed over.
pub(super) fn measure(pid: u32, product: String) -> Report {
    let tree = tree(pid);
    let memory_bytes = tree.iter().map(|pid| memory(*pid)).sum();
    let cpu_millis = tree.iter().map(|pid| cpu(*pid)).sum();
    Report { pid, product, memory_bytes, cpu_millis, processes: u32::try_from(tree.len()).unwrap_or(u32::MAX) }
}

/// The processes in which its pages run.
pub(super) fn renderers(pid: u32) -> Vec<u32> {
    let runs_pages = |pid: &u32| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        // Behind spaces instead of NULs where the zygote has renamed its child.
        line.split(|byte| matches!(byte, 0 | b' ')).any(|arg| arg == b"--type=renderer")
    };
    tree(pid).into_iter().filter(runs_pages).collect()
}

fn tree(root: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse().ok());
        if let Some(parent) = parent {
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

/// User and system time. The kernel counts in hundredths of a second on every Linux of today (`USER_HZ`).
fn cpu(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let ticks: u64 = stat.rsplit_once(") ").map_or(0, |(_, rest)| rest.split(' ').skip(11).take(2).filter_map(|n| n.parse::<u64>().ok()).sum());
    ticks * 10
}

fn memory(pid: u32) -> u64 {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let kib: u64 = rollup
        .lines()
        .filter(|line| line.starts_with("Pss_Anon:") || line.starts_with("Pss_Shmem:"))
        .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
        .sum();
    kib * 1024
}
