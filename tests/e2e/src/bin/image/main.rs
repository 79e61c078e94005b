//! `cargo xtask image`: the Dockerfile, made and run without a registry and without Docker.
//!
//! debootstrap makes the base image, buildah carries out the steps and podman runs the result; all
//! of them are Debian packages. Only the builder stage is left out: its result is replaced by what
//! cargo has built here.

mod engine;
mod trial;

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::Parser;
use wharf_e2e::{dockerfile, project};

/// Builds the image of the Dockerfile and tries it on a stand-in for WhatsApp.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask image")]
struct Args {
    /// Rewrite deploy/railway.Dockerfile.
    #[arg(long)]
    write: bool,
    /// Build the image and try it: link, send, stop. Needs root, and at first Debian's mirrors.
    #[arg(long)]
    r#try: bool,
    /// What the builder stage would leave in its `/out`; `cargo xtask image` sets it.
    #[arg(long, hide = true)]
    built: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let root = project::root();
    let file = root.join("Dockerfile");
    let text =
        fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    if args.write {
        let place = root.join("deploy/railway.Dockerfile");
        fs::write(&place, dockerfile::railway(&text))
            .with_context(|| format!("cannot write {}", place.display()))?;
        println!("written: {}", place.display());
    }
    if args.r#try {
        let built = args.built.context(
            "--try is for `cargo xtask image --try`, which builds what goes into the image",
        )?;
        // The engine has another working directory, so it needs an absolute path.
        let built = built
            .canonicalize()
            .with_context(|| format!("cannot read {}", built.display()))?;
        trial::run(root, &text, &built).await?;
    } else if !args.write {
        bail!("give --try or --write");
    }
    Ok(ExitCode::SUCCESS)
}
