//! Checks the machine: memory, the user, and Chromium.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use procfs::{Current, Meminfo};

use super::finding::Finding;
use crate::{browser, config::Config};

/// Memory in bytes that the browser of one session needs with the page of a busy account.
const SESSION: u64 = 350 << 20;

pub(super) async fn examine(config: &Config) -> Vec<Finding> {
    let root = nix::unistd::geteuid().is_root();
    let mut findings = vec![memory(config), sandbox(root, &config.browser.args)];
    match browser::find_executable(config.browser.executable.as_deref(), config.browser.kind) {
        Ok((path, _)) => findings.push(version(&path).await),
        Err(error) => findings.push(Finding::look(
            error.to_string(),
            "no session can start without a browser",
        )),
    }
    findings
}

fn memory(config: &Config) -> Finding {
    let sessions = config
        .sessions
        .session
        .keys()
        .filter(|client| **client != config.sessions.default_client)
        .count()
        + 1;
    let wanted = SESSION * sessions as u64;
    match available() {
        Some(free) if free < wanted => Finding::look(
            format!(
                "{} MiB of memory are available, {sessions} session(s) may need {} MiB",
                free >> 20,
                wanted >> 20
            ),
            "give the machine more memory, or run fewer sessions on it",
        ),
        Some(free) => Finding::good(format!(
            "{} MiB of memory are available for {sessions} session(s)",
            free >> 20
        )),
        None => Finding::good("the available memory cannot be determined on this system"),
    }
}

/// Available memory in bytes: the kernel's `MemAvailable`, or what the control groups of this
/// process leave if that is less. In a container with a memory limit, `MemAvailable` is still that
/// of the whole machine.
fn available() -> Option<u64> {
    let machine = Meminfo::current()
        .ok()
        .and_then(|memory| memory.mem_available);
    let groups = fs::read_to_string("/proc/self/cgroup")
        .ok()
        .and_then(|own| cgroup_room(&own, Path::new("/sys/fs/cgroup")));
    [machine, groups].into_iter().flatten().min()
}

/// Bytes that the memory limits of a process's control groups (version 2) leave; `None` if there is
/// no limit. `own` is its `/proc/<pid>/cgroup`, `mount` the place of the hierarchy.
///
/// The limit of each group above counts as well. File pages that were not used lately count as
/// free: the kernel drops them before it refuses memory, and after some days they fill any limit.
fn cgroup_room(own: &str, mount: &Path) -> Option<u64> {
    let path = own.lines().find_map(|line| line.strip_prefix("0::"))?;
    let below = Path::new(path.trim())
        .components()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name),
            _ => None,
        });
    let group = mount.join(below.collect::<PathBuf>());
    let groups = group
        .ancestors()
        .take_while(|group| group.starts_with(mount));
    groups
        .filter_map(|group| {
            let number = |name: &str| {
                fs::read_to_string(group.join(name))
                    .ok()?
                    .trim()
                    .parse()
                    .ok()
            };
            // Without a limit, `memory.max` is the word `max`.
            let (limit, used): (u64, u64) = (number("memory.max")?, number("memory.current")?);
            let stat = fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
            let idle = stat
                .lines()
                .find_map(|line| line.strip_prefix("inactive_file ")?.trim().parse().ok())
                .unwrap_or(0);
            Some(limit.saturating_sub(used.saturating_sub(idle)))
        })
        .min()
}

/// What the gateway does about Chromium's own sandbox. Whether the system allows the sandbox is
/// known only once Chromium has been started.
fn sandbox(root: bool, args: &[String]) -> Finding {
    if root {
        return Finding::look(
            "running as root: Chromium's own sandbox is off",
            "run the gateway as an ordinary user",
        );
    }
    if args.iter().any(|arg| arg == "--no-sandbox") {
        return Finding::good("[browser] args switch Chromium's own sandbox off");
    }
    Finding::good("an ordinary user: the gateway leaves Chromium's own sandbox on")
}

/// The folder of the kernel's settings.
const KERNEL: &str = "/proc/sys/kernel";

/// A setting of this system that may be the reason why Chromium does not start, with what to do.
///
/// It is an explanation and not a finding of its own: on Ubuntu the restriction is always set, and
/// the AppArmor profile of a packaged Chromium lifts it for that Chromium.
pub(super) fn sandbox_restriction(config: &Config) -> Option<String> {
    let without = nix::unistd::geteuid().is_root()
        || config.browser.args.iter().any(|arg| arg == "--no-sandbox");
    if without {
        return None;
    }
    restriction(Path::new(KERNEL))
}

fn restriction(kernel: &Path) -> Option<String> {
    let set = |(name, value): &(&str, &str)| {
        fs::read_to_string(kernel.join(name)).is_ok_and(|text| text.trim() == *value)
    };
    let (name, value) = [
        ("unprivileged_userns_clone", "0"),
        ("apparmor_restrict_unprivileged_userns", "1"),
    ]
    .into_iter()
    .find(set)?;
    Some(format!(
        "a possible cause: kernel.{name} = {value} keeps programs from the user namespaces that Chromium's sandbox needs; install Chromium from the distribution's package, which brings an AppArmor profile or a setuid helper"
    ))
}

async fn version(path: &Path) -> Finding {
    match browser::version(path).await {
        Ok(said) => Finding::good(format!("{}: {said}", path.display())),
        Err(error) => {
            let advice = "start it by hand to see what is missing; reinstall it, or set [browser] executable to another one";
            Finding::look(error.to_string(), advice)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_browser_that_does_not_start_is_named() {
        let finding = version(Path::new("/nowhere/chromium")).await;
        assert!(
            finding.seen.contains("/nowhere/chromium") && finding.advice.is_some(),
            "{finding}"
        );
        let finding = version(Path::new("/bin/false")).await;
        assert!(finding.seen.contains("exit status: 1"), "{finding}");
    }

    #[test]
    fn a_setting_of_the_system_is_an_explanation_and_no_finding() {
        let kernel = tempfile::tempdir().expect("tempdir");
        assert_eq!(restriction(kernel.path()), None);
        let set = |name: &str, value: &str| {
            fs::write(kernel.path().join(name), value).expect("written");
            restriction(kernel.path()).unwrap_or_default()
        };
        assert_eq!(set("unprivileged_userns_clone", "1\n"), "");
        assert!(
            set("apparmor_restrict_unprivileged_userns", "1\n")
                .contains("kernel.apparmor_restrict_unprivileged_userns = 1")
        );
        assert!(
            set("unprivileged_userns_clone", "0\n")
                .contains("kernel.unprivileged_userns_clone = 0")
        );
        // Whatever the system says: nothing is wrong before Chromium was started.
        let finding = sandbox(false, &[]);
        assert!(
            finding.advice.is_none() && !finding.seen.contains("is on"),
            "{finding}"
        );
        assert!(
            sandbox(false, &["--no-sandbox".into()])
                .seen
                .contains("switch Chromium's own sandbox off")
        );
        assert!(sandbox(true, &[]).advice.is_some());
    }

    #[test]
    fn the_limits_of_all_control_groups_above_count() {
        let mount = tempfile::tempdir().expect("tempdir");
        let (outer, inner) = (mount.path().join("outer"), mount.path().join("outer/inner"));
        fs::create_dir_all(&inner).expect("made");
        let own = "1:name=systemd:/other\n0::/outer/inner\n";
        let room = || cgroup_room(own, mount.path());
        assert_eq!(room(), None, "no limit");
        let set = |group: &Path, max: &str, current: &str, stat: &str| {
            for (name, text) in [
                ("memory.max", max),
                ("memory.current", current),
                ("memory.stat", stat),
            ] {
                fs::write(group.join(name), text).expect("written");
            }
        };
        set(&inner, "max\n", "500\n", "");
        assert_eq!(room(), None);
        set(&outer, "2000\n", "700\n", "anon 300\ninactive_file 150\n");
        assert_eq!(room(), Some(1450), "unused file pages are free");
        set(&inner, "900\n", "600\n", "");
        assert_eq!(room(), Some(300), "the least counts");
        set(&inner, "500\n", "600\n", "");
        assert_eq!(room(), Some(0));
        // In a container, its own group is the root of what it sees.
        let own = "0::/\n";
        set(mount.path(), "1000\n", "100\n", "");
        assert_eq!(cgroup_room(own, mount.path()), Some(900));
        assert_eq!(cgroup_room("0::/../elsewhere\n", mount.path()), Some(900));
        assert_eq!(cgroup_room("4:memory:/v1\n", mount.path()), None);
    }

    #[test]
    fn memory_is_counted_per_session() {
        let mut config = Config::default();
        for n in 0..1_000_000 {
            config.sessions.session.insert(
                format!("s{n}").parse().expect("id"),
                crate::config::Session::default(),
            );
        }
        let finding = memory(&config);
        assert!(
            finding.seen.contains("1000001 session") && finding.advice.is_some(),
            "{finding}"
        );
    }
}
