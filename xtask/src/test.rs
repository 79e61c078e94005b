//! `cargo xtask test`: runs every test.

use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::Result;

use crate::{cargo, faults, guests, openapi, packages, plugins, polyglot, project, setup, step};

/// The number of messages of the chaos run; `cargo xtask bench chaos` sends more.
const CHAOS: &str = "64";

const LIMIT: Duration = Duration::from_secs(30 * 60);

pub(crate) fn run() -> Result<()> {
    let plugins = plugins::packages()?;
    let packages = packages::select(
        packages::HOST
            .into_iter()
            .chain(packages::TESTS)
            .chain(plugins.iter().map(String::as_str)),
    );
    let mut table = Table::default();
    table.part("tools and plugins", setup::tools)?;
    table.part("guests that misbehave", self::guests)?;
    table.part("plugins in other languages", polyglot::run)?;
    table.part("build", || {
        let mut args = vec!["build", packages::PLAIN, "--bins", "--lib", "--tests"];
        args.extend(&packages);
        cargo::build("Everything, tests included", &args)
    })?;
    table.part("tests", || {
        let mut tests = project::cargo();
        tests
            .args([
                "test",
                packages::PLAIN,
                "--no-fail-fast",
                "--bins",
                "--lib",
                "--tests",
            ])
            .args(&packages);
        tests.env(
            "WHARF_TEST_GUESTS",
            project::target().join("wasm32-wasip2/plugin"),
        );
        tests.env("WHARF_TEST_POLYGLOT", polyglot::folder());
        step::run_inherited("cargo test", &mut tests, LIMIT)
    })?;
    table.part("documentation examples", || {
        let mut tests = project::cargo();
        tests
            .args(["test", packages::PLAIN, "--doc"])
            .args(packages::select(
                packages::HOST.into_iter().chain(["wharf-plugin"]),
            ));
        step::run_inherited("cargo test --doc", &mut tests, LIMIT)
    })?;
    table.part("faults", faults::test)?;
    table.part("chaos", || {
        let mut chaos = project::clean(Command::new(project::program("wharf-bench")));
        step::run_inherited(
            "wharf-bench chaos",
            chaos.args(["chaos", "--messages", CHAOS]),
            Duration::from_secs(600),
        )
    })?;
    table.part("whatsapp-web.js on the stand-in", peer)?;
    table.part("the API's document", openapi::test)?;
    table.print();
    Ok(())
}

/// Builds the plugins of `tests/guests`.
pub(crate) fn guests() -> Result<()> {
    guests::build("Guests that misbehave", &["wharf-test-guests".into()]).map(drop)
}

/// Runs unmodified whatsapp-web.js on the stand-in, which proves that the stand-in behaves as
/// WhatsApp Web does.
fn peer() -> Result<()> {
    install_peer()?;
    step::run_inherited(
        "whatsapp-web.js on the stand-in",
        &mut project::clean(Command::new(project::program("wharf-peer"))),
        Duration::from_secs(600),
    )
}

/// Installs Node and whatsapp-web.js.
pub(crate) fn install_peer() -> Result<()> {
    install("whatsapp-web.js from npm", "tests/peer")
}

/// Installs Node and the packages that the lock file of that folder pins.
pub(crate) fn install(what: &str, folder: &str) -> Result<()> {
    setup::node()?;
    let folder = project::root().join(folder);
    if !is_installed(&folder) {
        let mut npm = Command::new("npm");
        npm.args(["ci", "--no-audit", "--no-fund"])
            .env("PUPPETEER_SKIP_DOWNLOAD", "1")
            .current_dir(&folder);
        step::run_captured(what, &mut npm, Duration::from_secs(600))?;
    }
    Ok(())
}

/// Whether the packages are installed: npm's record of what it installed is not older than the lock
/// file.
fn is_installed(folder: &Path) -> bool {
    let changed = |file: &str| {
        folder
            .join(file)
            .metadata()
            .and_then(|meta| meta.modified())
    };
    matches!((changed("node_modules/.package-lock.json"), changed("package-lock.json")), (Ok(installed), Ok(wanted)) if installed >= wanted)
}

#[derive(Default)]
struct Table {
    rows: Vec<(&'static str, Duration, bool)>,
}

impl Table {
    /// Runs one part; when it fails, the table so far is printed before the error.
    fn part(&mut self, name: &'static str, work: impl FnOnce() -> Result<()>) -> Result<()> {
        let started = Instant::now();
        let result = work();
        self.rows.push((name, started.elapsed(), result.is_ok()));
        if result.is_err() {
            self.print();
        }
        result
    }

    fn print(&self) {
        eprintln!();
        for (name, took, passed) in &self.rows {
            eprintln!(
                "  {name:<34} {:>6.1} s  {}",
                took.as_secs_f32(),
                if *passed { "ok" } else { "FAILED" }
            );
        }
        let sum: Duration = self.rows.iter().map(|row| row.1).sum();
        eprintln!("  {:<34} {:>6.1} s", "together", sum.as_secs_f32());
    }
}
