//! `cargo xtask image`: the Dockerfile, made and run without a registry and without Docker.
//!
//! The base image is made by debootstrap, its steps are carried out by buildah and the result is
//! run by podman, all of them Debian's packages. Only the builder stage is left out: what it would
//! build is what cargo has built here.

mod engine;
mod trial;

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, bail};
use clap::Parser;
use wharf_e2e::{dockerfile, project};

/// Makes the image of the Dockerfile and tries it on a stand-in for WhatsApp.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask image")]
struct Args {
    /// Write deploy/railway.Dockerfile anew.
    #[arg(long)]
    write: bool,
    /// Make the image and try it: link, send, stop. Needs root, and Debian's mirrors the first
    /// time.
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
        // The engine works in other folders than ours.
        let built = built
            .canonicalize()
            .with_context(|| format!("cannot read {}", built.display()))?;
        trial::run(&root, &text, &built).await?;
    } else if !args.write {
        bail!("say --try or --write");
    }
    Ok(ExitCode::SUCCESS)
}
