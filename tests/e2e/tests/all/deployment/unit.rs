//! Checks that the systemd unit agrees with the gateway and is valid for systemd.

use std::{fs, path::Path, process::Command};

use anyhow::{Result, ensure};
use clap::Parser;
use wharf::cli::{self, Cli};
use wharf_e2e::gateway;

use super::{STATE, seconds, stop_time, text, value};

#[test]
fn the_unit_starts_what_is_installed_and_lets_it_stop() {
    let unit = text("deploy/wharf.service");
    let words: Vec<&str> = value(&unit, "ExecStart").split_whitespace().collect();
    let parsed = Cli::try_parse_from(&words).expect("a command line");
    assert_eq!(
        (words[0], parsed.command),
        ("/usr/local/bin/wharf", Some(cli::Command::Run))
    );
    assert_eq!(
        parsed.config.as_deref(),
        Some(Path::new(cli::MACHINE_CONFIG))
    );
    assert!(seconds(value(&unit, "TimeoutStopSec")) >= stop_time());
    assert_eq!(
        format!("/var/lib/{}", value(&unit, "StateDirectory")),
        STATE
    );
    assert_eq!(value(&unit, "WorkingDirectory"), STATE);
    // A signal to all processes, or a kill of those that outlive the gateway, would lose a fresh
    // login.
    assert_eq!(value(&unit, "KillMode"), "process");
    // A restart does not repair a wrong configuration.
    assert_eq!(value(&unit, "RestartPreventExitStatus"), "2");
    let namespaces: Vec<&str> = value(&unit, "RestrictNamespaces").split(' ').collect();
    assert_eq!(
        namespaces,
        ["user", "pid", "net"],
        "what Chromium's sandbox is made of"
    );
    let user = value(&unit, "User");
    assert!(
        text("deploy/wharf.sysusers")
            .lines()
            .any(|line| line.starts_with(&format!("u {user} ")) && line.ends_with(STATE)),
        "{user}"
    );
    assert!(
        !unit.contains("\nMemoryDenyWriteExecute="),
        "plugins and pages make code"
    );
}

/// Lets `systemd-analyze verify` check the unit, where it is installed. The unit names a program
/// that exists.
#[test]
fn systemd_finds_nothing_wrong_with_the_unit() -> Result<()> {
    if Command::new("systemd-analyze")
        .arg("--version")
        .output()
        .is_err()
    {
        eprintln!("systemd-analyze is not installed: the unit was not verified");
        return Ok(());
    }
    let folder = tempfile::tempdir()?;
    let unit = folder.path().join("wharf.service");
    let program = gateway::program()?;
    let here = |text: String| {
        text.replace("/usr/local/bin/wharf", &program.to_string_lossy())
            .replace("file:/usr/local", "file:/")
    };
    let verify = |text: &str| -> Result<(bool, String)> {
        fs::write(&unit, text)?;
        let output = Command::new("systemd-analyze")
            .args(["verify", "--man=no"])
            .arg(&unit)
            .output()?;
        Ok((
            output.status.success(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        ))
    };
    let good = here(text("deploy/wharf.service"));
    let (passed, said) = verify(&good)?;
    // It also reports on other units of this machine that our unit names.
    let ours: Vec<&str> = said
        .lines()
        .filter(|line| line.contains("wharf.service"))
        .collect();
    ensure!(passed && ours.is_empty(), "{said}");
    let (_, said) = verify(&good.replace("KillMode=process", "KillMode=gently"))?;
    ensure!(
        said.contains("wharf.service"),
        "a wrong unit would not be noticed: {said}"
    );
    Ok(())
}
