//! `cargo xtask up [--standin]`: builds what is missing and becomes the gateway.
//!
//! On the stand-in the program is the demo's, which has the stand-in and the phone in it.

use std::process::Command;

use anyhow::Result;

use crate::{project, setup, step};

const STANDIN: &str = "--standin";

pub(crate) fn run(args: &[String]) -> Result<()> {
    // Both in either case: whoever tries the one has the other soon.
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
    step::become_program(gateway.args(args.iter().filter(|arg| *arg != STANDIN)))
}
