//! `cargo xtask real-page`: the gateway on WhatsApp Web's own modules, which somebody else serves.

use std::process::Command;

use anyhow::Result;

use crate::{project, setup, step};

pub(crate) fn run(args: &[String]) -> Result<()> {
    setup::with(&["wharf", "wharf-real-page"])?;
    step::become_program(
        project::clean(Command::new(project::program("wharf-real-page"))).args(args),
    )
}
