//! Does what the README and the page about packaging show.
//!
//! The information string of a fenced block says what it is: `sh demo` is run while the demo runs,
//! and `toml` is a part of `gateway.toml`. The blocks of the first plugin name their file or their
//! terminal. Those of `docs/plugins/packaging.md` with `outside` are for a crate outside of the repository.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    process::Command,
};
use wharf_e2e::{Api, House, Plan, house::BOOT, processes::Program, project::root, until};

const LIMIT: Duration = Duration::from_secs(180);
/// The time that a program has for ending everything after a failure.
const GRACE: Duration = Duration::from_secs(40);
/// Time limit of the builds: the first run builds the SDK three times, for the tests, for the
/// component, and for the clone.
const BUILD: Duration = Duration::from_secs(600);

/// The fenced blocks with this information string, of which there is at least one.
pub(crate) fn blocks(file: &str, info: &str) -> Vec<String> {
    let found = any(file, info);
    assert!(!found.is_empty(), "{file} has no block {info:?}");
    found
}

fn any(file: &str, info: &str) -> Vec<String> {
    let text =
        fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let fence = format!("```{info}\n");
    text.split(&fence)
        .skip(1)
        .filter_map(|rest| rest.split("```").next().map(ToOwned::to_owned))
        .collect()
}

/// The only block with this information string.
pub(crate) fn block(file: &str, info: &str) -> String {
    let mut found = blocks(file, info);
    assert_eq!(found.len(), 1, "{file} has several blocks {info:?}");
    found.remove(0)
}

#[test]
fn its_pieces_of_configuration_are_understood() {
    for file in [
        "docs/operations.md",
        "docs/passkey.md",
        "docs/deployment.md",
    ] {
        for block in blocks(file, "toml") {
            understood(file, &block);
        }
    }
    let mut seen = 0;
    for page in fs::read_dir(root().join("docs/plugins")).expect("the book") {
        let file = format!(
            "docs/plugins/{}",
            page.expect("a page").file_name().to_string_lossy()
        );
        for block in any(&file, "toml") {
            understood(&file, &block);
            seen += 1;
        }
    }
    assert!(
        seen >= 5,
        "the book has only {seen} pieces of configuration"
    );
    understood("README.md", &block("README.md", "toml gateway.toml"));
}

fn understood(file: &str, block: &str) {
    let parsed: Result<wharf::config::Config, _> = toml::from_str(block);
    assert!(parsed.is_ok(), "{file}: {:?}\n{block}", parsed.err());
}

#[test]
fn the_first_plugin_is_short() {
    for block in blocks("README.md", &format!("rust {}", PLUGIN[1].1)) {
        let lines = block
            .lines()
            .filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with("//"))
            .count();
        assert!(lines < 30, "{lines} lines");
    }
}

/// The files of the first plugin, with their language.
const PLUGIN: [(&str, &str); 2] = [
    ("toml", "plugins/banned-words/Cargo.toml"),
    ("rust", "plugins/banned-words/src/lib.rs"),
];

fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("the target folder")
        .to_owned()
}

/// Copies what a clone of the repository has. The times of the files are kept, so that cargo reuses
/// what is built in the shared target folder.
fn clone(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (entry, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
        let name = name.to_string_lossy();
        let left_out = name.starts_with("target")
            || name.ends_with(".wasm")
            || [".git", ".env", "node_modules", "whatsapp-session"].contains(&&*name);
        let place = to.join(&*name);
        match entry.metadata()? {
            _ if left_out => {}
            metadata if metadata.is_dir() => clone(&entry, &place)?,
            metadata => {
                fs::copy(&entry, &place)?;
                fs::File::options()
                    .append(true)
                    .open(&place)?
                    .set_modified(metadata.modified()?)?;
            }
        }
    }
    Ok(())
}

/// A shell script in that folder, as a user would run it.
pub(crate) fn shell(script: &str, folder: &Path) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-ec", script])
        .current_dir(folder)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    // The variables that cargo has set for this test would make the clone's programs use this
    // repository.
    for name in ["CARGO_MANIFEST_DIR", "CARGO_TARGET_DIR"] {
        shell.env_remove(name);
    }
    shell
}

pub(crate) async fn run(mut command: Command) -> Result<String> {
    let output = tokio::time::timeout(BUILD, command.output())
        .await
        .with_context(|| format!("{command:?} hangs"))??;
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

/// Ends a program with SIGINT, as Ctrl-C does. It must leave no process behind.
async fn interrupt(mut program: Program) -> Result<()> {
    let status = program.interrupt(LIMIT).await?;
    ensure!(status.success(), "{status}");
    program.until_gone(Duration::from_secs(2)).await
}

/// Runs in a clone of the repository, which shows that nothing is looked up in the place where it
/// was built.
#[tokio::test]
async fn the_first_plugin_rejects_as_the_readme_says() -> Result<()> {
    let repository = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clone");
    if repository.exists() {
        fs::remove_dir_all(&repository)?;
    }
    clone(root(), &repository)?;
    for (language, file) in PLUGIN {
        let place = repository.join(file);
        fs::create_dir_all(place.parent().context("a folder")?)?;
        fs::write(place, block("README.md", &format!("{language} {file}")))?;
    }
    let config = repository.join("gateway.toml");
    let text = format!(
        "{}\n{}",
        fs::read_to_string(&config)?,
        block("README.md", "toml gateway.toml")
    );
    fs::write(&config, text)?;

    let folder = tempfile::tempdir()?;
    // The port is free at this moment. If another process takes it before the gateway does, this
    // test fails.
    let port = TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port();
    let log = folder.path().join("log");
    // `exec` replaces the shell by the program, so that SIGINT reaches it.
    let mut up = shell(
        &format!("exec {}", block("README.md", "sh plugin")),
        &repository,
    );
    up.env("CARGO_TARGET_DIR", target())
        .env("TMPDIR", folder.path())
        .env("PORT", port.to_string())
        .stdout(fs::File::create(&log)?)
        .stderr(fs::File::options().append(true).open(&log)?)
        // Its own group, so that a build that hangs is found by it.
        .process_group(0);
    let mut up = Program::start(&mut up, folder.path(), GRACE)?;
    let gateway = Api::new(&format!("http://127.0.0.1:{port}"))?;
    let ready = until("ready", BUILD, async || match up.child.try_wait()? {
        Some(status) => anyhow::bail!("it ended: {status}"),
        None => Ok(gateway
            .state()
            .await
            .is_ok_and(|state| state == "ready")
            .then_some(())),
    });
    ready
        .await
        .with_context(|| fs::read_to_string(&log).unwrap_or_default())?;
    ensure!(
        repository.join("plugins/banned_words.wasm").is_file(),
        "the component is not where the README says"
    );

    let send =
        block("README.md", "sh plugin, another terminal").replace(":3001", &format!(":{port}"));
    let quiet =
        "curl() { command curl --silent --show-error --write-out '\n%{http_code}' \"$@\"; }\n";
    let answer = run(shell(&format!("{quiet}{send}"), folder.path())).await?;
    ensure!(
        answer.ends_with("\n422")
            && answer.contains("banned_word")
            && answer.contains("contains a banned word"),
        "{answer}"
    );
    gateway
        .send("4915123456789", "Only a greeting")
        .await?
        .expect(200)?;
    let arrived = "+4915123456789 got: Only a greeting";
    until(arrived, BOOT, async || {
        Ok(fs::read_to_string(&log)?.contains(arrived).then_some(()))
    })
    .await?;
    ensure!(
        !repository.join("whatsapp-session").exists(),
        "the folder of a real session was touched"
    );

    interrupt(up).await?;
    fs::remove_dir_all(&repository)?;
    let left: Vec<_> = folder
        .path()
        .read_dir()?
        .filter_map(|entry| Some(entry.ok()?.file_name()))
        .filter(|name| name != "log")
        .collect();
    ensure!(
        left.is_empty(),
        "files are left in the temporary folder: {left:?}"
    );
    Ok(())
}

/// Follows the author's guide from `cargo new` to a gateway that rejects, including the unit test
/// that it shows.
#[tokio::test]
async fn a_crate_outside_the_repository_is_tested_and_built_and_rejects() -> Result<()> {
    const GUIDE: &str = "docs/plugins/packaging.md";
    let outside = tempfile::tempdir()?;
    let (krate, plugins) = (
        outside.path().join("banned-words"),
        outside.path().join("plugins"),
    );
    fs::create_dir(&plugins)?;
    fs::copy(
        root().join("rust-toolchain.toml"),
        outside.path().join("rust-toolchain.toml"),
    )?;
    run(shell(&block(GUIDE, "sh outside, first"), outside.path())).await?;
    // Build results are kept between runs. The repository's lock file is used, because newer
    // versions of dependencies are not the subject of this test.
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("outside");
    fs::create_dir_all(&kept)?;
    std::os::unix::fs::symlink(&kept, krate.join("target"))?;
    fs::copy(root().join("Cargo.lock"), krate.join("Cargo.lock"))?;

    let here = |text: String| {
        text.replace("/path/to/wharf/plugins/", &plugins.to_string_lossy())
            .replace("/path/to/wharf", &root().to_string_lossy())
    };
    let of_cargo = fs::read_to_string(krate.join("Cargo.toml"))?.replace("[dependencies]\n", "");
    fs::write(
        krate.join("Cargo.toml"),
        format!("{of_cargo}\n{}", here(block(GUIDE, "toml outside"))),
    )?;
    fs::write(
        krate.join("src/lib.rs"),
        [
            block("README.md", &format!("rust {}", PLUGIN[1].1)),
            block(GUIDE, "rust test"),
        ]
        .join("\n"),
    )?;
    let said = run(shell(&here(block(GUIDE, "sh outside")), &krate)).await?;
    ensure!(
        said.contains("a_banned_word_is_rejected_by_name ... ok"),
        "{said}"
    );

    let enabled = format!(
        "[browser]\nexecutable = '/nowhere/chromium'\n[plugins]\ndir = {plugins:?}\n{}",
        block("README.md", "toml gateway.toml")
    );
    let house = House::build(Plan {
        overlay: enabled.clone(),
        ..Plan::default()
    })
    .await?;
    let gateway = house.open().await?;
    let answer = gateway
        .api
        .send_async("4915123456789", "You won the lottery!")
        .await?
        .expect(422)?;
    ensure!(
        answer.json["code"] == "banned_word" && answer.data("plugin") == "banned-words",
        "{}",
        answer.json
    );
    drop(gateway);

    // A configuration key that the plugin does not read prevents the start, although the plugin has
    // no schema.
    let misspelt = enabled.replace("{ words", "{ wrds = [], words");
    let house = House::build(Plan {
        overlay: misspelt,
        ..Plan::default()
    })
    .await?;
    let refused = house
        .open()
        .await
        .err()
        .context("a misspelt key was passed over")?;
    ensure!(
        format!("{refused:#}").contains("config at /wrds: there is no such key"),
        "{refused:#}"
    );
    Ok(())
}

#[tokio::test]
async fn its_curl_lines_work_while_the_demo_runs() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let port = three_free_ports().await?;
    let mut demo = Command::new(env!("CARGO_BIN_EXE_wharf-demo"));
    demo.args(["--port", &port.to_string()])
        .env("TMPDIR", folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut demo = Program::start(&mut demo, folder.path(), GRACE)?;
    let mut lines = BufReader::new(demo.child.stdout.take().context("no output")?).lines();
    let up = tokio::time::timeout(LIMIT, async {
        while let Some(line) = lines.next_line().await? {
            if line.contains("It stays up") {
                return Ok(());
            }
        }
        anyhow::bail!("the demo ended")
    });
    up.await.context("the demo does not come up")??;
    for block in blocks("README.md", "sh demo") {
        // Without `--fail-with-body` curl accepts any status.
        let script = format!(
            "set -e\ncurl() {{ command curl --silent --show-error --fail-with-body \"$@\"; }}\n{}",
            block.replace(":3001", &format!(":{port}"))
        );
        let run = Command::new("sh")
            .args(["-c", &script])
            .current_dir(folder.path())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(LIMIT, run)
            .await
            .context("a block hangs")??;
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        ensure!(output.status.success(), "{block}\n{said}");
    }
    interrupt(demo).await
}

/// The demo needs three consecutive ports.
async fn three_free_ports() -> Result<u16> {
    for _ in 0..50 {
        let first = TcpListener::bind("127.0.0.1:0").await?;
        let port = first.local_addr()?.port();
        if port < u16::MAX - 2
            && TcpListener::bind(("127.0.0.1", port + 1)).await.is_ok()
            && TcpListener::bind(("127.0.0.1", port + 2)).await.is_ok()
        {
            return Ok(port);
        }
    }
    anyhow::bail!("no three free ports in a row")
}
