//! `cargo xtask demo [--once]`: builds what is missing and replaces this process by the demo.

use std::process::Command;

use anyhow::Result;

use crate::{project, setup, step};

pub(crate) fn run(args: &[String]) -> Result<()> {
    setup::with(&["wharf", "wharf-demo"])?;
    let mut demo = project::clean(Command::new(project::program("wharf-demo")));
    step::become_program(demo.args(project::config_from_here(args)))
}
