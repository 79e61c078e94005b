//! `cargo xtask demo [--once]`: builds what is missing and replaces this process by the demo.

use std::process::Command;

use anyhow::Result;

use crate::{project, setup, step};

pub(crate) fn run(args: &[String]) -> Result<()> {
    setup::with(&["wharf", "wharf-demo"])?;
    step::become_program(project::clean(Command::new(project::program("wharf-demo"))).args(args))
}
