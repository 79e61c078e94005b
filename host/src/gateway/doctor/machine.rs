//! Checks the machine: memory, the user, and Chromium.

use std::{fs, path::Path};

use procfs::{Current, Meminfo};

use super::finding::Finding;
use crate::{browser, config::Config};

/// Memory in bytes that the browser of one session needs with the page of a busy account.
const SESSION: u64 = 350 << 20;

pub(super) async fn examine(config: &Config) -> Vec<Finding> {
    let mut findings = vec![memory(config), sandbox()];
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

fn sandbox() -> Finding {
    if nix::unistd::geteuid().is_root() {
        return Finding::look(
            "running as root: Chromium's own sandbox is off",
            "run the gateway as an ordinary user",
        );
    }
    let says =
        |path: &str, value: &str| fs::read_to_string(path).is_ok_and(|text| text.trim() == value);
    if says("/proc/sys/kernel/unprivileged_userns_clone", "0")
        || says(
            "/proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            "1",
        )
    {
        return Finding::look(
            "this system forbids user namespaces, which Chromium's sandbox needs",
            "install Chromium from the distribution's package, which brings an AppArmor profile or a setuid helper",
        );
    }
    Finding::good("an ordinary user: Chromium's own sandbox is on")
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
