//! Builds WebAssembly components: with rustup's target, or with Debian's packages where rustup
//! cannot download it.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Result, bail};

use crate::{cargo, project, step};

const TARGET: &str = "wasm32-wasip2";

/// Debian's Rust can build the standard library for the target from its sources.
const DEBIAN: &str =
    "apt-get install --yes --no-install-recommends rustc-web cargo-web rust-web-src lld wasi-libc";
const LINKER: &str = "wasm-component-ld";
const WASI_LIBC: &str = "/usr/lib/wasm32-wasi";

enum Route {
    Rustup,
    Debian,
}

fn route() -> Option<Route> {
    let output = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .ok()?;
    let libraries = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    if output.status.success() && libraries.is_dir() {
        return Some(Route::Rustup);
    }
    let debian = Path::new("/usr/bin/cargo").is_file()
        && Path::new(WASI_LIBC).is_dir()
        && project::on_path(LINKER).is_some();
    debian.then_some(Route::Debian)
}

/// Makes sure that components can be built.
///
/// # Errors
/// When neither way works; the error has the commands to run.
pub(crate) fn ensure() -> Result<()> {
    if route().is_some() {
        return Ok(());
    }
    let added = step::run_captured(
        "WebAssembly target by rustup",
        Command::new("rustup").args(["target", "add", TARGET]),
        Duration::from_secs(300),
    );
    let Err(reason) = added else { return Ok(()) };
    let linker = format!("cargo install --locked {LINKER}");
    if !project::is_root() {
        bail!(
            "{reason:#}\nrustup could not add the target {TARGET}. On Debian, install these packages instead:\n    sudo {DEBIAN}\n    {linker}\nthen run the same command again"
        );
    }
    eprintln!("  rustup could not add the target {TARGET}; taking Debian's packages instead");
    step::run_captured(
        "Debian's Rust and WASI libraries",
        Command::new("sh").args(["-c", DEBIAN]),
        Duration::from_secs(600),
    )?;
    cargo::watched(
        LINKER,
        project::cargo().args(["install", "--locked", LINKER]),
    )
}

/// Builds these packages as components; returns the folder with the `.wasm` files.
///
/// # Errors
/// When the target is missing or the build fails.
pub(crate) fn build(what: &str, packages: &[String]) -> Result<PathBuf> {
    let mut args = vec!["build", "--profile", "plugin", "--target", TARGET];
    args.extend(packages.iter().flat_map(|package| ["-p", package]));
    match route() {
        Some(Route::Rustup) => cargo::build(what, &args)?,
        Some(Route::Debian) => {
            let mut command = project::clean(Command::new("/usr/bin/cargo"));
            command.args(&args).arg("-Zbuild-std=std,panic_abort");
            command
                .env("RUSTC", "/usr/bin/rustc")
                .env("RUSTC_BOOTSTRAP", "1")
                .env_remove("RUSTUP_TOOLCHAIN");
            command.env(
                "CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS",
                format!("-Lnative={WASI_LIBC}"),
            );
            cargo::watched(what, &mut command)?;
        }
        None => bail!("the Rust target {TARGET} is missing; `cargo xtask setup` installs it"),
    }
    Ok(project::target().join(TARGET).join("plugin"))
}

/// The target of components as an option of cargo, where rustup's toolchain builds for it.
pub(crate) fn target_by_rustup() -> &'static [&'static str] {
    match route() {
        Some(Route::Rustup) => &["--target", TARGET],
        _ => &[],
    }
}

/// Runs clippy on the code that is built only for components, such as the bindings; the run for
/// this machine leaves it out.
///
/// # Errors
/// When clippy finds something.
pub(crate) fn lint(plugins: &[String]) -> Result<()> {
    ensure()?;
    if !matches!(route(), Some(Route::Rustup)) {
        eprintln!(
            "  {TARGET} comes from Debian's packages, which have no clippy for it: code that is built only for components was not linted"
        );
        return Ok(());
    }
    let mut args = vec![
        "clippy",
        "--locked",
        "--target",
        TARGET,
        "-p",
        "wharf-plugin",
        "-p",
        "wharf-test-guests",
        "--lib",
        "--bins",
        "--examples",
    ];
    args.extend(plugins.iter().flat_map(|package| ["-p", package]));
    args.extend(["--", "-D", "warnings"]);
    cargo::build("clippy for components", &args)
}
