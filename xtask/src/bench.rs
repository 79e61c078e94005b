//! `cargo xtask bench`: the gateway's benchmarks, optimised.

use anyhow::Result;

use crate::{plugins, project, step, test};

pub(crate) fn run(args: &[String]) -> Result<()> {
    plugins::run()?;
    if let Some(("accept", rest)) = args.split_first().map(|(name, rest)| (name.as_str(), rest)) {
        test::install_peer()?;
        return step::become_program(project::cargo().args(["run", "--release", "-p", "wharf-bench-accept", "--"]).args(rest));
    }
    eprintln!("  Building with optimisation: about 25 minutes the first time on two cores");
    step::become_program(project::cargo().args(["bench", "-p", "wharf", "--benches", "--"]).args(args))
}
