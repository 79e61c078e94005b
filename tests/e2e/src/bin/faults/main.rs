//! Causes every known fault of a session on purpose, in a real Chromium on the stand-in, and
//! records what the gateway reports, how long it takes to recover, and whether anything was lost.
//!
//! `--write` writes `docs/faults.md` from the run. Without it, the program only checks that the
//! page lists the same faults.

mod account;
mod clock;
mod disk;
mod page;
mod process;
mod report;
mod scene;
mod start;

use std::{process::ExitCode, time::Instant};

use anyhow::{Result, ensure};
use clap::Parser;

use report::Row;
use scene::Scene;

/// Causes every known fault of a session and reports its outcome.
#[derive(Debug, Parser)]
struct Args {
    /// Only faults whose name contains this; may be given several times.
    #[arg(long)]
    only: Vec<String>,
    /// Write docs/faults.md.
    #[arg(long)]
    write: bool,
}

/// The faults to cause, and the outcomes so far.
struct Run {
    only: Vec<String>,
    rows: Vec<Row>,
    failed: Vec<String>,
}

impl Run {
    fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| name.contains(part))
    }

    /// Records and prints the outcome of one fault.
    fn take(&mut self, name: &str, result: Result<Row>) {
        match result {
            Ok(row) => {
                println!("ok    {:<44} {:>8}  {}", row.name, row.recovered, row.said);
                self.rows.push(row);
            }
            Err(error) => {
                println!("FAIL  {name}: {error:#}");
                self.failed.push(name.to_owned());
            }
        }
    }
}

/// Causes a fault in the shared scene, if it is wanted. After a fault that fails, the next one gets
/// a new scene.
macro_rules! fault {
    ($run:expr, $scene:expr, $name:expr, $what:expr) => {
        if $run.wants($name) {
            if $scene.is_none() {
                $scene = Some(Scene::linked().await?);
            }
            if let Some(scene) = &mut $scene {
                let result = $what(scene, $name).await;
                let broken = result.is_err();
                if broken {
                    eprintln!("{}", scene.gateway()?.log().tail());
                }
                $run.take($name, result);
                if broken {
                    $scene = None;
                }
            }
        }
    };
}
pub(crate) use fault;

/// Causes a fault in an environment of its own, if it is wanted.
macro_rules! alone {
    ($run:expr, $name:expr, $what:expr) => {
        if $run.wants($name) {
            let result = $what($name).await;
            $run.take($name, result);
        }
    };
}
pub(crate) use alone;

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let began = Instant::now();
    let mut run = Run {
        only: args.only.clone(),
        rows: Vec::new(),
        failed: Vec::new(),
    };
    let mut scene = None;
    process::all(&mut run, &mut scene).await?;
    page::all(&mut run, &mut scene).await?;
    account::all(&mut run, &mut scene).await?;
    if let Some(scene) = scene {
        scene.close().await?;
    }
    start::all(&mut run).await?;
    disk::all(&mut run).await?;
    clock::all(&mut run).await?;
    println!(
        "\n{} faults in {:.0} s",
        run.rows.len() + run.failed.len(),
        began.elapsed().as_secs_f32()
    );
    if !run.failed.is_empty() {
        println!("failed: {}", run.failed.join(", "));
        return Ok(ExitCode::FAILURE);
    }
    ensure!(
        !run.rows.is_empty(),
        "no fault has a name that contains --only"
    );
    let page = wharf_e2e::project::root().join("docs/faults.md");
    if args.write {
        report::write(&page, &run.rows)?;
    } else if args.only.is_empty() {
        report::check(&page, &run.rows)?;
    }
    Ok(ExitCode::SUCCESS)
}
