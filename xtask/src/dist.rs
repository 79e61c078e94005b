//! `cargo xtask dist`: makes an archive with everything a gateway needs, to be unpacked in
//! `/usr/local` or any other folder.
//!
//! The archive is reproducible: names are sorted, the owner is 0, and all files have the same time.

use std::{env, fs, path::Path, process::Command, time::Duration};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    layout::{self, Item, Profile},
    project, step,
};

const USAGE: &str = "cargo xtask dist [--profile dist|dev] [--no-build] [--to <folder>]

  --profile   dist (default): optimised; dev: what `cargo xtask up` runs
  --no-build  uses what is built already
  --to        folder of the archive; default target/dist";

/// The time of the files, in seconds since 1970, when neither the environment nor git gives one:
/// 1980-01-01, the earliest that every archive format can store.
const NO_TIME: &str = "315532800";

const LIMIT: Duration = Duration::from_secs(600);

pub(crate) fn run(args: &[String]) -> Result<()> {
    let (mut profile, mut no_build, mut folder) =
        (Profile::Dist, false, project::target().join("dist"));
    let mut words = args.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let mut value = || {
            words
                .next()
                .with_context(|| format!("{word} needs a value\n\n{USAGE}"))
        };
        match word {
            "--profile" => profile = Profile::read(value()?)?,
            "--to" => folder = project::from_here(value()?),
            "--no-build" => no_build = true,
            other => bail!("dist has no argument {other:?}\n\n{USAGE}"),
        }
    }
    let program = profile.build(no_build)?;
    let name = format!("wharf-{}-{}", env!("CARGO_PKG_VERSION"), target()?);
    let items = layout::items(&program, Path::new(layout::PREFIX))?;
    let archive = format!("{name}.tar.gz");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    // A new folder that is ours alone: whatever else is in the archive's folder is the user's.
    let stage = folder.join(format!(".wharf-dist-{}", std::process::id()));
    fs::create_dir(&stage).with_context(|| format!("cannot make {}", stage.display()))?;
    let packed = stage_and_pack(&stage, &name, &items, &folder.join(&archive));
    fs::remove_dir_all(&stage).with_context(|| format!("cannot remove {}", stage.display()))?;
    packed?;
    // Run in the archive's folder, so that the checksum file has the name without a path and
    // `sha256sum --check` finds the archive.
    let sum = step::capture(
        Command::new("sha256sum").arg(&archive).current_dir(&folder),
        LIMIT,
        |_| true,
    )?;
    ensure!(
        sum.status.success(),
        "sha256sum: {}\n{}",
        sum.status,
        sum.text
    );
    let beside = folder.join(format!("{archive}.sha256"));
    fs::write(&beside, &sum.text).with_context(|| format!("cannot write {}", beside.display()))?;
    println!("{}", folder.join(&archive).display());
    print!("{}", sum.text);
    Ok(())
}

/// Writes the files below `stage` and packs them.
fn stage_and_pack(stage: &Path, name: &str, items: &[Item], archive: &Path) -> Result<()> {
    for item in items {
        item.put(&stage.join(name))?;
    }
    let files: Vec<String> = items
        .iter()
        .map(|item| format!("{name}/{}", item.to))
        .collect();
    pack(stage, &files, archive)
}

/// Packs files only, in the given order. An entry for a folder would change the permissions of
/// `/usr/local/bin` when the archive is unpacked.
fn pack(stage: &Path, files: &[String], archive: &Path) -> Result<()> {
    let mut tar = Command::new("tar");
    tar.args([
        "--create",
        "--format=gnu",
        "--owner=0",
        "--group=0",
        "--numeric-owner",
        "--mode=u=rwX,go=rX",
    ]);
    tar.arg(format!("--mtime=@{}", time()))
        .arg("--use-compress-program=gzip --no-name");
    tar.arg("--file")
        .arg(archive)
        .arg("--directory")
        .arg(stage)
        .args(files);
    let done = step::capture(&mut tar, LIMIT, |_| true)?;
    ensure!(done.status.success(), "tar: {}\n{}", done.status, done.text);
    Ok(())
}

/// The time of the files: `SOURCE_DATE_EPOCH`, else the time of the last commit.
fn time() -> String {
    let given = env::var("SOURCE_DATE_EPOCH")
        .ok()
        .filter(|time| !time.is_empty() && time.bytes().all(|byte| byte.is_ascii_digit()));
    let of_commit = || {
        let output = Command::new("git")
            .args(["log", "-1", "--format=%ct"])
            .current_dir(project::root())
            .output()
            .ok()?;
        output
            .status
            .success()
            .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
            .filter(|time| !time.is_empty())
    };
    given.or_else(of_commit).unwrap_or_else(|| NO_TIME.into())
}

/// The target triple that the gateway is built for.
fn target() -> Result<String> {
    let output = Command::new("rustc")
        .arg("-vV")
        .output()
        .context("cannot start rustc")?;
    let said = String::from_utf8_lossy(&output.stdout);
    said.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(ToOwned::to_owned)
        .context("rustc -vV names no host")
}
