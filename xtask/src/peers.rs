//! `cargo xtask peers`: other versions of whatsapp-web.js, and wa-js, on the stand-in.
//!
//! Not part of `cargo xtask test`, which runs the newest whatsapp-web.js: it takes minutes and
//! several hundred megabytes of npm.

use std::{process::Command, time::Duration};

use anyhow::{Result, bail};

use crate::{project, setup, step, test};

/// For all of them; each has a limit of its own.
const LIMIT: Duration = Duration::from_secs(40 * 60);

pub(crate) fn run(args: &[String]) -> Result<()> {
    let only = match args {
        [] => vec![],
        [flag, name] if flag == "--only" => vec!["--only", name.as_str()],
        _ => bail!("peers takes --only <part of a name> and nothing else"),
    };
    test::install_peer()?;
    test::install("other clients from npm", "tests/peer/versions")?;
    setup::programs(&["wharf", "wharf-standin", "wharf-peer"])?;
    let mut peers = project::clean(Command::new(project::program("wharf-peer")));
    step::loud(
        "clients on the stand-in",
        peers.arg("versions").args(only),
        LIMIT,
    )
}
