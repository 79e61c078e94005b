//! `cargo xtask standin`: the stand-in alone.

use std::process::Command;

use anyhow::Result;

use crate::{cargo, project, setup, step};

pub(crate) fn run(args: &[String]) -> Result<()> {
    // The same selection as everywhere, so that nothing is built twice.
    let mut build = vec!["build", "--bins"];
    build.extend(setup::HOST);
    cargo::build("Gateway, stand-in and demo", &build)?;
    step::become_program(project::clean(Command::new(project::program("wharf-standin"))).args(args))
}
