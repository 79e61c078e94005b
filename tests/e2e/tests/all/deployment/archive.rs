//! The archive and the installation: the gateway in each finds its configuration and its plugins.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};
use wharf::config::Config;
use wharf_e2e::{gateway, project::root};

use super::STATE;

/// The `xtask` program that was built beside the gateway.
fn xtask() -> Result<Command> {
    let program = gateway::program()?.with_file_name("xtask");
    ensure!(program.is_file(), "{} is not built", program.display());
    let mut command = Command::new(program);
    command.current_dir(root());
    Ok(command)
}

fn said(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    ensure!(
        output.status.success(),
        "{command:?}: {}\n{said}",
        output.status
    );
    Ok(said)
}

/// Packs the archive twice and unpacks it elsewhere; the gateway there finds its own configuration
/// and plugins.
#[test]
fn the_archive_is_the_same_each_time_and_works_where_it_is_unpacked() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (first, second, place) = (
        folder.path().join("first"),
        folder.path().join("second"),
        folder.path().join("place"),
    );
    for to in [&first, &second] {
        said(
            xtask()?
                .args(["dist", "--profile", "dev", "--no-build", "--to"])
                .arg(to)
                .env("SOURCE_DATE_EPOCH", "1700000000"),
        )?;
    }
    let archive = fs::read_dir(&first)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|end| end == "gz"));
    let archive = archive.context("an archive")?;
    let name = archive
        .file_name()
        .context("a name")?
        .to_string_lossy()
        .into_owned();
    ensure!(
        fs::read(&archive)? == fs::read(second.join(&name))?,
        "the same files make another archive"
    );
    said(
        Command::new("sha256sum")
            .arg("--check")
            .arg(format!("{name}.sha256"))
            .current_dir(&first),
    )?;
    let list = said(
        Command::new("tar")
            .args(["--list", "--verbose", "--numeric-owner", "--file"])
            .arg(&archive)
            .env("TZ", "UTC"),
    )?;
    ensure!(
        list.lines()
            .all(|line| line.contains(" 0/0 ") && line.contains("2023-11-14")),
        "owners and times: {list}"
    );

    fs::create_dir(&place)?;
    said(
        Command::new("tar")
            .args(["--extract", "--strip-components=1", "--file"])
            .arg(&archive)
            .arg("--directory")
            .arg(&place),
    )?;
    let files = [
        "share/doc/wharf/docs/deployment.md",
        "share/doc/wharf/LICENSE",
        "lib/systemd/system/wharf.service",
        "lib/sysusers.d/wharf.conf",
    ];
    for file in files {
        ensure!(place.join(file).is_file(), "no {file}");
    }
    let elsewhere = tempfile::tempdir()?;
    let wharf = || {
        let mut command = Command::new(place.join("bin/wharf"));
        command.env_clear().current_dir(elsewhere.path());
        command
    };
    ensure!(
        said(wharf().arg("--version"))?.trim() == format!("wharf {}", env!("CARGO_PKG_VERSION"))
    );
    let checked = said(wharf().arg("check"))?;
    let own = place.join("share/wharf");
    for line in [
        format!("configuration: {}", own.join("gateway.toml").display()),
        format!("session path: {}", own.join("whatsapp-session").display()),
        format!("plugins: {}", own.join("plugins").display()),
    ] {
        ensure!(
            checked.lines().any(|said| said == line),
            "no {line:?} in\n{checked}"
        );
    }
    ensure!(
        checked.contains(&format!(
            "loaded, {}",
            own.join("plugins/number_policy.wasm").display()
        )),
        "{checked}"
    );
    said(wharf().args(["plugin", "new", "made"]))?;
    let manifest = fs::read_to_string(elsewhere.path().join("made/Cargo.toml"))?;
    let sdk = fs::canonicalize(own.join("sdk"))?;
    ensure!(
        manifest.contains(&format!("path = {:?}", sdk.display().to_string())),
        "a new plugin does not use the installed SDK: {manifest}"
    );
    // The machine-wide configuration is valid too; its plugins are those of an archive unpacked in
    // /usr/local.
    let system: Config = toml::from_str(&fs::read_to_string(own.join("gateway.system.toml"))?)?;
    ensure!(
        system.sessions.path == Path::new(STATE)
            && system.plugins.dir == Path::new("/usr/local/share/wharf/plugins")
    );
    Ok(())
}

#[test]
fn an_installation_is_below_its_prefix_and_is_told() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let prefix: PathBuf = folder.path().join("here");
    let install = |path: &Path| {
        said(
            xtask()?
                .args(["install", "--profile", "dev", "--no-build", "--prefix"])
                .arg(path)
                .env(
                    "PATH",
                    format!("{}:/usr/bin:/bin", path.join("bin").display()),
                ),
        )
    };
    let told = install(&prefix)?;
    ensure!(
        told.contains(&format!("{} is on the PATH", prefix.join("bin").display())),
        "{told}"
    );
    let checked = said(
        Command::new(prefix.join("bin/wharf"))
            .arg("check")
            .env_clear()
            .current_dir(folder.path()),
    )?;
    ensure!(
        checked.contains(&format!(
            "configuration: {}",
            prefix.join("share/wharf/gateway.toml").display()
        )),
        "{checked}"
    );
    fs::write(prefix.join("share/wharf/gateway.toml"), "# mine\n")?;
    let told = install(&prefix)?;
    ensure!(told.contains("gateway.toml is kept"), "{told}");
    ensure!(fs::read_to_string(prefix.join("share/wharf/gateway.toml"))? == "# mine\n");
    Ok(())
}
