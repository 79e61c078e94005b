//! `cargo xtask real-page`: runs the gateway on WhatsApp Web's own modules, which a command given
//! by the user serves.

use std::process::Command;

use anyhow::Result;

use crate::{project, setup, step};

pub(crate) fn run(args: &[String]) -> Result<()> {
    setup::with(&["wharf", "wharf-real-page"])?;
    step::become_program(
        project::clean(Command::new(project::program("wharf-real-page"))).args(args),
    )
}
