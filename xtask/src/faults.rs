//! `cargo xtask faults`: causes every known fault of a session on purpose.

use std::{process::Command, time::Duration};

use anyhow::Result;

use crate::{project, setup, step};

const LIMIT: Duration = Duration::from_secs(20 * 60);

pub(crate) fn run(args: &[String]) -> Result<()> {
    setup::with(&["wharf", "wharf-faults"])?;
    setup::faketime();
    step::become_program(project::clean(Command::new(project::program("wharf-faults"))).args(args))
}

/// Runs the faults as a part of `cargo xtask test`, when everything is built.
pub(crate) fn test() -> Result<()> {
    setup::faketime();
    step::run_inherited(
        "wharf-faults",
        &mut project::clean(Command::new(project::program("wharf-faults"))),
        LIMIT,
    )
}
