//! `cargo xtask install`: installs `wharf` in a folder on the PATH, with plugins and configuration
//! where it finds them.

use std::{
    env, fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};

use crate::{
    layout::{self, Item, Profile},
    project,
};

const USAGE: &str =
    "cargo xtask install [--prefix <folder>] [--root <folder>] [--profile dist|dev] [--no-build]

  --prefix    folder of bin/, share/ and lib/; default /usr/local for root, ~/.local for others
  --root      writes below this folder as if it were /, for images and packages
  --profile   dist (default): optimised; dev: what `cargo xtask up` runs
  --no-build  uses what is built already";

struct Wanted {
    prefix: PathBuf,
    root: PathBuf,
    profile: Profile,
    no_build: bool,
}

pub(crate) fn run(args: &[String]) -> Result<()> {
    let wanted = read(args)?;
    let program = wanted.profile.build(wanted.no_build)?;
    install(&layout::items(&program, &wanted.prefix)?, &wanted)
}

/// Installs below `root` as if for `/usr/local`.
pub(crate) fn stage(profile: Profile, root: &Path) -> Result<()> {
    let wanted = Wanted {
        prefix: layout::PREFIX.into(),
        root: root.into(),
        profile,
        no_build: false,
    };
    let program = profile.build(false)?;
    install(&layout::items(&program, &wanted.prefix)?, &wanted)
}

fn read(args: &[String]) -> Result<Wanted> {
    let mut wanted = Wanted {
        prefix: PathBuf::new(),
        root: "/".into(),
        profile: Profile::Dist,
        no_build: false,
    };
    let mut words = args.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let mut value = || {
            words
                .next()
                .with_context(|| format!("{word} needs a value\n\n{USAGE}"))
        };
        match word {
            "--prefix" => wanted.prefix = value()?.into(),
            "--root" => wanted.root = value()?.into(),
            "--profile" => wanted.profile = Profile::read(value()?)?,
            "--no-build" => wanted.no_build = true,
            other => bail!("install has no argument {other:?}\n\n{USAGE}"),
        }
    }
    if wanted.prefix.as_os_str().is_empty() {
        wanted.prefix = default_prefix()?;
    }
    ensure!(
        wanted.prefix.is_absolute() && wanted.root.is_absolute(),
        "--prefix and --root must be absolute paths\n\n{USAGE}"
    );
    Ok(wanted)
}

fn default_prefix() -> Result<PathBuf> {
    if project::is_root() {
        return Ok(layout::PREFIX.into());
    }
    let home = env::var_os("HOME")
        .filter(|home| !home.is_empty())
        .context("HOME is not set; give --prefix")?;
    Ok(Path::new(&home).join(".local"))
}

/// Whether systemd looks for units and users below this prefix, so that the installation is
/// machine-wide.
fn is_for_the_machine(prefix: &Path) -> bool {
    prefix == Path::new(layout::PREFIX) || prefix == Path::new("/usr")
}

fn install(items: &[Item], wanted: &Wanted) -> Result<()> {
    let below = |path: &Path| wanted.root.join(path.strip_prefix("/").unwrap_or(path));
    let prefix = below(&wanted.prefix);
    let for_the_machine = is_for_the_machine(&wanted.prefix);
    for item in items {
        match item.to.as_str() {
            layout::OWN_CONFIG => keep(item, &prefix.join(&item.to))?,
            layout::SYSTEM_CONFIG if for_the_machine => {
                item.put(&prefix)?;
                keep(item, &below(Path::new(layout::MACHINE_CONFIG)))?;
            }
            other
                if !for_the_machine
                    && (other == layout::SYSTEM_CONFIG || other.starts_with("lib/")) => {}
            _ => item.put(&prefix)?,
        }
    }
    tell(&prefix, for_the_machine, wanted);
    Ok(())
}

/// Installs a configuration file. An existing one is kept, and the new one is written beside it.
fn keep(item: &Item, place: &Path) -> Result<()> {
    match fs::read(place) {
        Ok(there) if there == item.content => return Ok(()),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => return item.put_at(place),
        // A file that cannot be read is the operator's nevertheless.
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", place.display()));
        }
    }
    let beside = place.with_extension("toml.new");
    item.put_at(&beside)?;
    eprintln!(
        "  {} is kept; this version's file is {}",
        place.display(),
        beside.display()
    );
    Ok(())
}

fn tell(prefix: &Path, for_the_machine: bool, wanted: &Wanted) {
    println!("installed: {}", prefix.join("bin/wharf").display());
    println!(
        "plugins:   {}",
        prefix.join("share/wharf/plugins").display()
    );
    let config = if for_the_machine {
        Path::new(layout::MACHINE_CONFIG).to_owned()
    } else {
        prefix.join(layout::OWN_CONFIG)
    };
    println!(
        "configuration, unless the working directory has a gateway.toml: {}",
        config.display()
    );
    if wanted.root != Path::new("/") {
        return;
    }
    let bin = prefix.join("bin");
    let on_path =
        env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|folder| folder == bin));
    if on_path {
        println!("{} is on the PATH: try `wharf check`", bin.display());
    } else {
        println!(
            "{} is not on the PATH: add it, e.g. export PATH=\"{}:$PATH\"",
            bin.display(),
            bin.display()
        );
    }
    if for_the_machine && project::on_path("systemctl").is_some() {
        println!(
            "as a service: systemd-sysusers && systemctl daemon-reload && systemctl enable --now wharf"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn item(to: &str, content: &str) -> Item {
        Item {
            to: to.into(),
            content: content.into(),
            mode: 0o644,
        }
    }

    fn all() -> Vec<Item> {
        let program = Item {
            mode: 0o755,
            ..item("bin/wharf", "program")
        };
        vec![
            program,
            item(layout::OWN_CONFIG, "own"),
            item(layout::SYSTEM_CONFIG, "system"),
            item("lib/systemd/system/wharf.service", "unit"),
        ]
    }

    fn wanted(prefix: &str, root: &Path) -> Wanted {
        Wanted {
            prefix: prefix.into(),
            root: root.into(),
            profile: Profile::Dev,
            no_build: true,
        }
    }

    #[test]
    fn a_machines_gateway_has_its_file_in_etc_and_what_the_operator_changed_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let wanted = wanted("/usr/local", folder.path());
        install(&all(), &wanted).expect("installed");
        let etc = folder.path().join("etc/wharf/gateway.toml");
        assert_eq!(fs::read_to_string(&etc).expect("there"), "system");
        assert!(
            folder
                .path()
                .join("usr/local/lib/systemd/system/wharf.service")
                .is_file()
        );
        let mode = fs::metadata(folder.path().join("usr/local/bin/wharf"))
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o755);

        fs::write(&etc, "mine").expect("changed");
        let mut newer = all();
        newer[2] = item(layout::SYSTEM_CONFIG, "system 2");
        install(&newer, &wanted).expect("again");
        assert_eq!(fs::read_to_string(&etc).expect("there"), "mine");
        assert_eq!(
            fs::read_to_string(etc.with_extension("toml.new")).expect("there"),
            "system 2"
        );
    }

    #[test]
    fn a_configuration_that_cannot_be_read_is_not_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().join("etc/wharf/gateway.toml");
        fs::create_dir_all(&place).expect("a folder in the place of the file");
        assert!(install(&all(), &wanted("/usr/local", folder.path())).is_err());
        assert!(place.is_dir());
    }

    #[test]
    fn one_persons_gateway_is_whole_below_its_prefix() {
        let folder = tempfile::tempdir().expect("a folder");
        install(&all(), &wanted("/home/ada/.local", folder.path())).expect("installed");
        let prefix = folder.path().join("home/ada/.local");
        assert_eq!(
            fs::read_to_string(prefix.join(layout::OWN_CONFIG)).expect("there"),
            "own"
        );
        assert!(
            !prefix.join("lib").exists()
                && !prefix.join(layout::SYSTEM_CONFIG).exists()
                && !folder.path().join("etc").exists()
        );
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let read = |words: &[&str]| {
            read(&words.iter().map(ToString::to_string).collect::<Vec<_>>()).map(|_| ())
        };
        assert!(read(&["--prefix", "/opt/w", "--profile", "dev", "--no-build"]).is_ok());
        for words in [
            &["--prefix"][..],
            &["--prefix", "here"],
            &["--profile", "fast"],
            &["--quick"],
        ] {
            assert!(read(words).is_err(), "{words:?}");
        }
    }
}
