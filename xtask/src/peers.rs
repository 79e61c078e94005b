//! `cargo xtask peers`: runs other versions of whatsapp-web.js, and wa-js, on the stand-in.
//!
//! It is not part of `cargo xtask test`, which runs the newest whatsapp-web.js, because it takes
//! minutes and downloads several hundred megabytes from npm.

use std::{process::Command, time::Duration};

use anyhow::{Result, bail};

use crate::{project, setup, step, test};

/// Time limit of all clients together; each has its own limit too.
const LIMIT: Duration = Duration::from_secs(40 * 60);

pub(crate) fn run(args: &[String]) -> Result<()> {
    let only = match args {
        [] => vec![],
        [flag, name] if flag == "--only" => vec!["--only", name.as_str()],
        _ => bail!("unknown argument of peers; expected --only <part of a name>"),
    };
    test::install_peer()?;
    test::install("other clients from npm", "tests/peer/versions")?;
    setup::programs(&["wharf", "wharf-standin", "wharf-peer"])?;
    let mut peers = project::clean(Command::new(project::program("wharf-peer")));
    step::run_inherited(
        "clients on the stand-in",
        peers.arg("versions").args(only),
        LIMIT,
    )
}
