//! The container engine: buildah and podman with their own storage, so that nothing of another
//! engine is changed.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, bail, ensure};

/// Unmounts the unified hierarchy where a machine has both versions of control groups, because crun
/// refuses to work with both. This affects only the mount namespace of the command.
const PREPARE: &str = "if mountpoint --quiet /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi; exec \"$@\"";

/// Podman runs health checks by systemd timers, which may be missing here; the limits are low
/// enough for any machine.
const ISOLATION: [&str; 5] = [
    "--network=host",
    "--no-healthcheck",
    "--cgroups=disabled",
    "--ulimit=nofile=4096:4096",
    "--ulimit=nproc=4096:4096",
];

pub(crate) struct Engine {
    folder: PathBuf,
}

impl Engine {
    /// An engine whose storage is in `folder`, which is kept between runs.
    pub(crate) fn new(folder: PathBuf) -> Result<Self> {
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self { folder })
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command.args([
            "--mount",
            "sh",
            "-c",
            PREPARE,
            "sh",
            program,
            "--storage-driver=vfs",
        ]);
        command.arg(format!("--root={}", self.folder.join("storage").display()));
        command
            .arg(format!("--runroot={}", self.folder.join("run").display()))
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    /// Makes a minimal Debian image under the name that the Dockerfile gives its base, unless it
    /// exists.
    pub(crate) fn base(&self, base: &str) -> Result<()> {
        let suite = base
            .strip_prefix("debian:")
            .and_then(|tag| tag.strip_suffix("-slim"))
            .with_context(|| format!("{base} is no debian:<suite>-slim"))?;
        let name = format!("docker.io/library/{base}");
        if run(&mut self.command("podman", &["image", "exists", &name])).is_ok() {
            return Ok(());
        }
        let root = self.folder.join(suite);
        let archive = self.folder.join(format!("{suite}.tar"));
        if root.exists() {
            fs::remove_dir_all(&root)?;
        }
        run(Command::new("debootstrap")
            .args(["--variant=minbase", suite])
            .arg(&root))?;
        sources(&root, suite)?;
        run(Command::new("tar")
            .arg("--create")
            .arg("--file")
            .arg(&archive)
            .arg("--directory")
            .arg(&root)
            .arg("."))?;
        run(&mut self.command("podman", &["import", &archive.to_string_lossy(), &name]))?;
        fs::remove_dir_all(&root)?;
        fs::remove_file(&archive)?;
        Ok(())
    }

    /// Makes an image that contains only this folder, as `/out`.
    pub(crate) fn built(&self, name: &str, folder: &Path) -> Result<()> {
        let file = self.folder.join("built.Dockerfile");
        fs::write(&file, "FROM scratch\nCOPY . /out\n")?;
        self.build(name, &file, folder)
    }

    /// Builds an image from a Dockerfile.
    pub(crate) fn build(&self, name: &str, file: &Path, context: &Path) -> Result<()> {
        let (file, context) = (file.to_string_lossy(), context.to_string_lossy());
        let arguments = [
            "build",
            "--isolation=chroot",
            "--network=host",
            "--format=docker",
            "--pull-never",
            "--tag",
            name,
            "--file",
            &file,
            &context,
        ];
        run(&mut self.command("buildah", &arguments))
    }

    /// The output of `podman image inspect` for an image.
    pub(crate) fn inspect(&self, image: &str, format: &str) -> Result<String> {
        let output = self
            .command("podman", &["image", "inspect", "--format", format, image])
            .output()?;
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// Starts a container in the foreground; its output goes to `log`.
    pub(crate) fn start(
        &self,
        name: &str,
        image: &str,
        options: &[String],
        log: &Path,
    ) -> Result<Child> {
        let out = fs::File::create(log)?;
        let mut arguments = vec!["run", "--rm", "--replace", "--name", name];
        arguments.extend(ISOLATION);
        arguments.extend(options.iter().map(String::as_str));
        arguments.push(image);
        let mut command = self.command("podman", &arguments);
        command
            .stdout(out.try_clone()?)
            .stderr(out)
            .spawn()
            .context("cannot start podman")
    }

    /// Runs a container to its end; returns its exit status and output.
    pub(crate) fn once(
        &self,
        image: &str,
        options: &[&str],
        words: &[&str],
    ) -> Result<(Option<i32>, String)> {
        let mut arguments = vec!["run", "--rm"];
        arguments.extend(ISOLATION);
        arguments.extend(options);
        arguments.push(image);
        arguments.extend(words);
        let output = self.command("podman", &arguments).output()?;
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok((output.status.code(), said))
    }

    /// Runs a command in a container; returns its exit status and output.
    pub(crate) fn exec(&self, name: &str, words: &[&str]) -> Result<(Option<i32>, String)> {
        let mut arguments = vec!["exec", name];
        arguments.extend(words);
        let output = self.command("podman", &arguments).output()?;
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok((output.status.code(), said))
    }

    /// Stops a container with the image's stop signal; it is killed after `grace` seconds.
    pub(crate) fn stop(&self, name: &str, grace: &str) -> Result<()> {
        run(&mut self.command("podman", &["stop", "--time", grace, name]))
    }

    /// Removes a container, whatever its state.
    pub(crate) fn remove(&self, name: &str) {
        // `--rm` may have removed it already.
        let _ = self
            .command("podman", &["rm", "--force", "--time", "0", name])
            .output();
    }
}

/// Writes the package sources of the base image. The official image has the security updates among
/// its sources, so the machine's own sources are copied, with the suite of the image in place of
/// the machine's. Where the machine has no sources in that form, those of debootstrap stay, without
/// the security updates.
fn sources(root: &Path, suite: &str) -> Result<()> {
    let (Ok(ours), Ok(release)) = (
        fs::read_to_string("/etc/apt/sources.list.d/debian.sources"),
        fs::read_to_string("/etc/os-release"),
    ) else {
        return Ok(());
    };
    let Some(here) = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
    else {
        return Ok(());
    };
    fs::write(
        root.join("etc/apt/sources.list.d/debian.sources"),
        ours.replace(here.trim(), suite),
    )?;
    fs::remove_file(root.join("etc/apt/sources.list"))?;
    Ok(())
}

/// Runs a command to its end; its output is shown only when it fails.
fn run(command: &mut Command) -> Result<()> {
    let name = format!("{command:?}");
    let output = command
        .output()
        .with_context(|| format!("cannot start {name}"))?;
    if !output.status.success() {
        bail!(
            "{name}: {}\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}
