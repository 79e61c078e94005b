//! `cargo xtask up [--standin]`: builds what is missing and replaces this process by the gateway.
//!
//! With `--standin` it is the demo's program, which contains the stand-in and the simulated phone.

use std::process::Command;

use anyhow::Result;

use crate::{project, setup, step};

const STANDIN: &str = "--standin";

pub(crate) fn run(args: &[String]) -> Result<()> {
    // Both programs are built in either case, because a user who tries one often tries the other
    // next.
    setup::with(&["wharf", "wharf-demo"])?;
    let program = if args.iter().any(|arg| arg == STANDIN) {
        "wharf-demo"
    } else {
        "wharf"
    };
    let mut gateway = project::clean(Command::new(project::program(program)));
    if !args
        .iter()
        .any(|arg| arg.starts_with("--config") || arg.starts_with("-c"))
    {
        gateway.args(["--config", "gateway.toml"]);
    }
    let args = project::config_from_here(args).into_iter();
    step::become_program(gateway.args(args.filter(|arg| arg != STANDIN)))
}
