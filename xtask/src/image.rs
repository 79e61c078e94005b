//! `cargo xtask image`: builds the image of the Dockerfile and tries it without a registry; see
//! `tests/e2e/src/bin/image`.

use std::{fs, process::Command};

use anyhow::{Context, Result};

use crate::{install, layout::Profile, project, setup, step};

pub(crate) fn run(args: &[String]) -> Result<()> {
    let mut image = project::clean(Command::new(project::program("wharf-image")));
    if args.iter().any(|arg| arg == "--try") {
        setup::engine()?;
        setup::with(&["wharf", "wharf-image"])?;
        let built = project::target().join("image/out");
        if built.exists() {
            fs::remove_dir_all(&built)
                .with_context(|| format!("cannot remove {}", built.display()))?;
        }
        install::stage(Profile::Dev, &built)?;
        image.arg("--built").arg(built);
    } else {
        setup::programs(&["wharf-image"])?;
    }
    step::become_program(image.args(args))
}
