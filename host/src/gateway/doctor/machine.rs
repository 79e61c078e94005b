//! Checks the machine: memory, the user, and Chromium.

use std::{fs, path::Path};

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

/// Available memory in bytes: the kernel's `MemAvailable`.
fn available() -> Option<u64> {
    Meminfo::current().ok()?.mem_available
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
