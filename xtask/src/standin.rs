//! `cargo xtask standin`: runs the stand-in alone.

use std::process::Command;

use anyhow::Result;

use crate::{project, setup, step};

pub(crate) fn run(args: &[String]) -> Result<()> {
    setup::programs(&["wharf-standin"])?;
    step::become_program(project::clean(Command::new(project::program("wharf-standin"))).args(args))
}
