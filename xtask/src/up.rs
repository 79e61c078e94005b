//! `cargo xtask up`: builds what is missing and becomes the gateway.

use std::process::Command;

use anyhow::Result;

use crate::{project, setup, step};

pub(crate) fn run(args: &[String]) -> Result<()> {
    setup::run()?;
    let mut gateway = project::clean(Command::new(project::program("wharf")));
    if !args.iter().any(|arg| arg.starts_with("--config")) {
        gateway.args(["--config", "gateway.toml"]);
    }
    step::become_program(gateway.args(args))
}
