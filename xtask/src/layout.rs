//! The files of a distribution, and their places below a prefix such as `/usr/local`.
//!
//! Archive, installation and image share one list. `share/wharf` is complete by itself: paths in a
//! `gateway.toml` are relative to its folder, so the file there finds its plugins below any prefix.
//! A machine-wide gateway has its own file in `/etc/wharf`, which no update changes.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{cargo, packages, plugins, project, sdk, setup};

/// The prefix for which the unit is written.
pub(crate) const PREFIX: &str = "/usr/local";
/// The folder of a machine-wide gateway's logins and database.
pub(crate) const STATE: &str = "/var/lib/wharf";
/// The machine-wide configuration below the prefix; it is installed as [`MACHINE_CONFIG`].
pub(crate) const SYSTEM_CONFIG: &str = "share/wharf/gateway.system.toml";
pub(crate) const MACHINE_CONFIG: &str = "/etc/wharf/gateway.toml";
/// The configuration that the program finds by its own location.
pub(crate) const OWN_CONFIG: &str = "share/wharf/gateway.toml";

/// One file to install.
#[derive(Debug)]
pub(crate) struct Item {
    /// The path below the prefix.
    pub(crate) to: String,
    pub(crate) content: Vec<u8>,
    pub(crate) mode: u32,
}

/// How the gateway is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Optimised, with jemalloc; for distribution.
    Dist,
    /// As for `cargo xtask up`; for trials.
    Dev,
}

impl Profile {
    pub(crate) fn read(name: &str) -> Result<Self> {
        match name {
            "dist" => Ok(Self::Dist),
            "dev" => Ok(Self::Dev),
            other => bail!("unknown profile {other:?}; expected dist or dev"),
        }
    }

    fn program(self) -> PathBuf {
        project::target()
            .join(if self == Self::Dist { "dist" } else { "debug" })
            .join("wharf")
    }

    /// Builds plugins and gateway and returns the program. With `no_build`, the program must exist.
    pub(crate) fn build(self, no_build: bool) -> Result<PathBuf> {
        let program = self.program();
        if no_build {
            ensure!(program.is_file(), "{} is not built", program.display());
            return Ok(program);
        }
        plugins::run()?;
        match self {
            Self::Dev => setup::programs(&["wharf"])?,
            Self::Dist => {
                setup::make()?;
                eprintln!(
                    "  Building with optimisation: about 25 minutes the first time on two cores"
                );
                // Only this package: the other programs would enable features of the gateway's
                // dependencies that are for tests.
                cargo::build(
                    "Gateway, optimised",
                    &[
                        "build",
                        "--locked",
                        "--profile",
                        "dist",
                        "--package",
                        packages::GATEWAY,
                    ],
                )?;
            }
        }
        Ok(program)
    }
}

/// All files, for the prefix under which they will be used.
pub(crate) fn items(program: &Path, prefix: &Path) -> Result<Vec<Item>> {
    let root = project::root();
    let prefix = prefix.to_str().context("the prefix is not UTF-8")?;
    let read =
        |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let text = |path: &str| {
        fs::read_to_string(root.join(path)).with_context(|| format!("cannot read {path}"))
    };
    let mut items = vec![Item {
        to: "bin/wharf".into(),
        content: read(program)?,
        mode: 0o755,
    }];
    let mut add = |to: String, content: Vec<u8>| {
        items.push(Item {
            to,
            content,
            mode: 0o644,
        })
    };
    let own = text("gateway.toml")?;
    add(
        SYSTEM_CONFIG.into(),
        system_config(&own, prefix)?.into_bytes(),
    );
    add(OWN_CONFIG.into(), own.into_bytes());
    for package in plugins::packages()? {
        let file = format!("{}.wasm", package.replace('-', "_"));
        let built = root.join("plugins").join(&file);
        ensure!(
            built.is_file(),
            "{} is not built; `cargo xtask plugins` does that",
            built.display()
        );
        add(format!("share/wharf/plugins/{file}"), read(&built)?);
    }
    // `wharf plugin new` finds it there.
    for (path, content) in sdk::files()? {
        add(format!("share/wharf/{path}"), content);
    }
    let unit = text("deploy/wharf.service")?.replace(PREFIX, prefix);
    add("lib/systemd/system/wharf.service".into(), unit.into_bytes());
    add(
        "lib/sysusers.d/wharf.conf".into(),
        text("deploy/wharf.sysusers")?.into_bytes(),
    );
    for name in ["README.md", "CHANGELOG.md", "LICENSE"] {
        add(format!("share/doc/wharf/{name}"), read(&root.join(name))?);
    }
    let mut pages: Vec<PathBuf> = fs::read_dir(root.join("docs"))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    for entry in fs::read_dir(root.join("docs/plugins"))? {
        pages.push(entry?.path());
    }
    pages.retain(|path| path.is_file());
    for page in pages {
        let name = page
            .strip_prefix(root.join("docs"))?
            .to_string_lossy()
            .into_owned();
        add(format!("share/doc/wharf/docs/{name}"), read(&page)?);
    }
    items.sort_by(|a, b| a.to.cmp(&b.to));
    Ok(items)
}

/// The repository's `gateway.toml` with the two paths of a machine-wide installation.
fn system_config(own: &str, prefix: &str) -> Result<String> {
    let plugins = format!("{prefix}/share/wharf/plugins");
    let mut text = own.to_owned();
    for (key, default, now) in [
        ("path", "./whatsapp-session", STATE),
        ("dir", "./plugins", plugins.as_str()),
    ] {
        let line = format!("# {key} = \"{default}\"");
        ensure!(
            text.matches(&line).count() == 1,
            "gateway.toml does not have the line `{line}` once"
        );
        text = text.replace(&line, &format!("{key} = \"{now}\""));
    }
    Ok(text)
}

impl Item {
    /// Writes the file below a folder. It is renamed into place, because a running program cannot
    /// be overwritten and a gateway must never read half a file.
    pub(crate) fn put(&self, prefix: &Path) -> Result<()> {
        self.put_at(&prefix.join(&self.to))
    }

    /// Writes the file to this path.
    pub(crate) fn put_at(&self, place: &Path) -> Result<()> {
        let folder = place.parent().context("a file lies in a folder")?;
        let name = place
            .file_name()
            .context("a file has a name")?
            .to_string_lossy();
        let beside = folder.join(format!(".{name}.new"));
        let put = || {
            fs::create_dir_all(folder)?;
            fs::write(&beside, &self.content)?;
            fs::set_permissions(&beside, fs::Permissions::from_mode(self.mode))?;
            fs::rename(&beside, place)
        };
        put().with_context(|| format!("cannot write {}", place.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machines_configuration_is_the_repositorys_with_two_paths() {
        let own = fs::read_to_string(project::root().join("gateway.toml")).expect("gateway.toml");
        let text = system_config(&own, "/opt/w").expect("made");
        let differ: Vec<(&str, &str)> = own
            .lines()
            .zip(text.lines())
            .filter(|(a, b)| a != b)
            .collect();
        assert_eq!(differ.len(), 2, "{differ:?}");
        assert!(
            differ
                .iter()
                .any(|(_, now)| now.starts_with("path = \"/var/lib/wharf\"")),
            "{differ:?}"
        );
        assert!(
            differ
                .iter()
                .any(|(_, now)| now.starts_with("dir = \"/opt/w/share/wharf/plugins\"")),
            "{differ:?}"
        );
        assert!(
            system_config("[sessions]\n", "/opt/w").is_err(),
            "a file without the lines"
        );
    }
}
