//! Measures the resources of process trees in `/proc`.

use std::{collections::HashMap, time::Duration};

use anyhow::{Result, bail};
use procfs::process::{Process, Stat, all_processes};
use tokio::time::{Instant, sleep};

/// The resources of a process tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    /// Anonymous and shared-memory PSS in bytes: the memory that is freed when the processes end.
    /// File-backed pages are not counted, because all browsers of the machine share them.
    pub(crate) private: u64,
    pub(crate) processes: usize,
}

fn stat(pid: i32) -> Result<Stat> {
    Ok(Process::new(pid)?.stat()?)
}

/// The pids of `root` and all its descendants.
fn family(root: i32) -> Result<Vec<i32>> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    // A process that has ended meanwhile is left out.
    for stat in all_processes()?.filter_map(|process| process.ok()?.stat().ok()) {
        children.entry(stat.ppid).or_default().push(stat.pid);
    }
    let (mut found, mut next) = (vec![root], 0);
    while next < found.len() {
        found.extend(children.remove(&found[next]).unwrap_or_default());
        next += 1;
    }
    Ok(found)
}

/// Measures the process tree of `root`.
pub(crate) fn tree(root: i32) -> Result<Tree> {
    let found = family(root)?;
    let private = found.iter().filter_map(|pid| private(*pid).ok()).sum();
    Ok(Tree {
        private,
        processes: found.len(),
    })
}

/// The processor time of one process, in milliseconds.
pub(crate) fn own_cpu(pid: i32) -> Result<f64> {
    let Stat { utime, stime, .. } = stat(pid)?;
    #[expect(clippy::cast_precision_loss, reason = "hours at the most")]
    Ok((utime + stime) as f64 * 1000.0 / procfs::ticks_per_second() as f64)
}

/// The processor time of the process tree of `root`, in milliseconds, without processes that have
/// ended.
pub(crate) fn cpu(root: i32) -> Result<f64> {
    Ok(family(root)?
        .into_iter()
        .filter_map(|pid| own_cpu(pid).ok())
        .sum())
}

/// Waits until the process tree of `root` uses less than a tenth of a core, because a page
/// continues to work for a message long after it has reported it as sent.
pub(crate) async fn at_rest(root: i32) -> Result<()> {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(60) {
        let before = cpu(root)?;
        sleep(Duration::from_millis(300)).await;
        if cpu(root)? - before < 30.0 {
            return Ok(());
        }
    }
    bail!("process {root} does not come to rest")
}

/// The private memory of one process, in bytes.
pub(crate) fn private(pid: i32) -> Result<u64> {
    let rollup = Process::new(pid)?.smaps_rollup()?.memory_map_rollup;
    Ok(rollup
        .iter()
        .flat_map(|map| {
            ["Pss_Anon", "Pss_Shmem"].map(|key| map.extension.map.get(key).copied().unwrap_or(0))
        })
        .sum())
}

/// The number of open files of one process.
pub(crate) fn files(pid: i32) -> Result<usize> {
    Ok(Process::new(pid)?.fd_count()?)
}

/// Waits until two measurements, two seconds apart, differ by less than 2 %, and at least 5 s have
/// passed.
pub(crate) async fn settled(root: i32) -> Result<Tree> {
    let began = Instant::now();
    let mut before = tree(root)?;
    while began.elapsed() < Duration::from_secs(60) {
        sleep(Duration::from_secs(2)).await;
        let now = tree(root)?;
        if began.elapsed() > Duration::from_secs(5)
            && now.processes == before.processes
            && now.private.abs_diff(before.private) * 50 < before.private
        {
            return Ok(now);
        }
        before = now;
    }
    bail!("the memory of process {root} does not settle: {before:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_process_is_measured() {
        let own = i32::try_from(std::process::id()).expect("a pid");
        let spun: u64 = (0..50_000_000_u64).fold(1, |sum, n| {
            std::hint::black_box(sum.wrapping_mul(31).wrapping_add(n))
        });
        assert!(own_cpu(own).expect("cpu") > 0.0, "{spun}");
        assert!((100_000..1 << 34).contains(&private(own).expect("memory")));
        assert!(files(own).expect("files") >= 3);
        assert!(tree(own).expect("a tree").processes >= 1);
        assert_eq!(
            stat(own).expect("stat").ppid,
            nix::unistd::getppid().as_raw()
        );
    }
}
