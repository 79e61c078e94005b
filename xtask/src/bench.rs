//! `cargo xtask bench`: the gateway's benchmarks, optimised.

use anyhow::Result;

use crate::{plugins, project, step};

pub(crate) fn run(args: &[String]) -> Result<()> {
    plugins::run()?;
    eprintln!("  Building with optimisation: about 25 minutes the first time on two cores");
    step::become_program(project::cargo().args(["bench", "-p", "wharf", "--benches", "--"]).args(args))
}
