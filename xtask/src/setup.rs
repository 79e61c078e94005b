//! `cargo xtask setup`: installs and builds everything that a gateway needs on a fresh Debian with
//! rustup. A second run changes nothing.

use std::{env, path::Path, process::Command, time::Duration};

use anyhow::{Result, bail};

use self::places::{BROWSERS, SHELLS};
use crate::{cargo, packages, plugins, project, step};

/// The same list that the gateway has.
#[path = "../../host/src/browser/places.rs"]
mod places;

const FAKETIME: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];

/// Installs the tools and builds all programs that run on this machine.
pub(crate) fn run() -> Result<()> {
    tools()?;
    programs(&[])
}

/// [`run`] with these programs only, because each takes some seconds to link.
pub(crate) fn with(names: &[&str]) -> Result<()> {
    tools()?;
    programs(names)
}

/// Builds these programs, or all programs when `names` is empty.
pub(crate) fn programs(names: &[&str]) -> Result<()> {
    let mut args = vec!["build", packages::PLAIN];
    args.extend(packages::select(packages::HOST));
    args.extend(names.iter().flat_map(|name| ["--bin", name]));
    if names.is_empty() {
        args.push("--bins");
    }
    cargo::build("Gateway, stand-in and demo", &args)
}

/// Builds the plugins and installs Chromium.
pub(crate) fn tools() -> Result<()> {
    plugins::run()?;
    chromium()?;
    shell();
    Ok(())
}

/// Installs `make`, which builds jemalloc in optimised builds.
pub(crate) fn make() -> Result<()> {
    if project::on_path("make").is_some() {
        Ok(())
    } else {
        install("make", &["make"])
    }
}

fn chromium() -> Result<()> {
    if env::var_os("CHROMIUM").is_some_and(|path| Path::new(&path).is_file())
        || BROWSERS.iter().any(|path| Path::new(path).is_file())
    {
        return Ok(());
    }
    install("Chromium", &["chromium"])
}

/// Installs the headless shell, which needs half the memory of the full browser. A failure is only
/// reported, because the full browser works too.
fn shell() {
    let there =
        env::var_os("CHROMIUM").is_some() || SHELLS.iter().any(|path| Path::new(path).is_file());
    if !there && let Err(error) = install("Chromium's headless shell", &["chromium-headless-shell"])
    {
        eprintln!("  sessions will use the full browser: {error:#}");
    }
}

/// Installs the programs that build and run an image without Docker.
pub(crate) fn engine() -> Result<()> {
    let packages = [
        ("debootstrap", "debootstrap"),
        ("buildah", "buildah"),
        ("podman", "podman"),
        ("crun", "crun"),
    ];
    let missing: Vec<&str> = packages
        .into_iter()
        .filter(|(program, _)| project::on_path(program).is_none())
        .map(|(_, package)| package)
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        install("debootstrap, buildah and podman", &missing)
    }
}

/// Installs Node and npm, for whatsapp-web.js on the stand-in.
pub(crate) fn node() -> Result<()> {
    if project::on_path("node").is_some() && project::on_path("npm").is_some() {
        return Ok(());
    }
    install("Node.js", &["nodejs", "npm"])
}

/// Installs Python with its `venv` module, for tools from PyPI.
pub(crate) fn python() -> Result<()> {
    // Debian's Python lacks `ensurepip`, which installs pip into an environment.
    let has_venv = || {
        Command::new("python3")
            .args(["-c", "import venv, ensurepip"])
            .output()
            .is_ok_and(|output| output.status.success())
    };
    if project::on_path("python3").is_some() && has_venv() {
        return Ok(());
    }
    install("Python", &["python3", "python3-venv"])
}

/// Installs libfaketime, which shows a program another time, for the faults of the clock. Without
/// it, those faults are listed as not made.
pub(crate) fn faketime() {
    let there = FAKETIME.iter().any(|path| Path::new(path).is_file());
    if !there && let Err(error) = install("libfaketime", &["faketime"]) {
        eprintln!("  the clock's faults are left out: {error:#}");
    }
}

fn install(what: &str, names: &[&str]) -> Result<()> {
    let install = format!(
        "apt-get install --yes --no-install-recommends {}",
        names.join(" ")
    );
    if !project::is_root() || project::on_path("apt-get").is_none() {
        bail!(
            "{what} is missing. On Debian or Ubuntu install it with\n    sudo apt-get update && sudo {install}\nthen run the same command again"
        );
    }
    let mut apt = Command::new("sh");
    apt.args(["-c", &format!("apt-get update && {install}")])
        .env("DEBIAN_FRONTEND", "noninteractive");
    step::run_captured(
        &format!("{what} (Debian package)"),
        &mut apt,
        Duration::from_secs(900),
    )
}
