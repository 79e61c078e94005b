//! What the README shows, done.
//!
//! Fenced blocks say what they are: `sh demo` is typed while the demo runs, `toml` is a piece of `gateway.toml`,
//! `toml cargo` and `rust plugin` are the files of the first plugin.

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
use wharf_e2e::processes::Family;

const LIMIT: Duration = Duration::from_secs(180);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("a workspace").to_owned()
}

/// The fenced blocks with this information string.
fn blocks(file: &str, info: &str) -> Vec<String> {
    let text = fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    let fence = format!("```{info}\n");
    let found: Vec<_> = text.split(&fence).skip(1).filter_map(|rest| rest.split("```").next().map(ToOwned::to_owned)).collect();
    assert!(!found.is_empty(), "{file} has no block {info:?}");
    found
}

#[test]
fn its_pieces_of_configuration_are_understood() {
    for file in ["README.md", "docs/plugins.md", "docs/operations.md", "docs/passkey.md"] {
        for block in blocks(file, "toml") {
            let parsed: Result<wharf::config::Config, _> = toml::from_str(&block);
            assert!(parsed.is_ok(), "{file}: {:?}\n{block}", parsed.err());
        }
    }
}

#[test]
fn the_first_plugin_is_short() {
    for block in blocks("README.md", "rust plugin") {
        let lines = block.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with("//")).count();
        assert!(lines < 30, "{lines} lines");
    }
}

/// Built where a newcomer would build it, but for the folder: a workspace of its own with the repository's crates. Its
/// unit test is the one of the author's guide.
#[tokio::test]
async fn the_first_plugin_builds_as_a_component_and_its_test_passes() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let manifest = blocks("README.md", "toml cargo").remove(0);
    let sdk = root().join("sdk");
    let manifest = manifest
        .replace("edition.workspace = true", "edition = \"2024\"")
        .replace("version.workspace = true", "version = \"0.1.0\"")
        .replace("wharf-plugin.workspace = true", &format!("wharf-plugin = {{ path = {sdk:?} }}"))
        .replace("serde.workspace = true", "serde = { version = \"1\", features = [\"derive\"] }");
    ensure!(!manifest.contains("workspace"), "the manifest has changed; so must this test: {manifest}");
    fs::write(folder.path().join("Cargo.toml"), format!("{manifest}\n[workspace]\n"))?;
    fs::copy(root().join("Cargo.lock"), folder.path().join("Cargo.lock"))?;
    fs::create_dir(folder.path().join("src"))?;
    let source = [blocks("README.md", "rust plugin").remove(0), blocks("docs/plugins.md", "rust test").remove(0)].join("\n");
    fs::write(folder.path().join("src/lib.rs"), source)?;
    cargo(folder.path(), &["test", "--quiet"]).await?;
    cargo(folder.path(), &["build", "--quiet", "--target", "wasm32-wasip2"]).await?;
    ensure!(plugin_target().join("wasm32-wasip2/debug/banned_words.wasm").is_file());
    Ok(())
}

/// Kept between runs.
fn plugin_target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("first-plugin")
}

async fn cargo(folder: &Path, args: &[&str]) -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo.args(args).current_dir(folder).env("CARGO_TARGET_DIR", plugin_target()).kill_on_drop(true);
    let output = tokio::time::timeout(LIMIT, cargo.output()).await.context("cargo hangs")??;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(output.status.success(), "cargo {args:?}: {}{}", said(&output.stdout), said(&output.stderr));
    Ok(())
}

#[tokio::test]
async fn its_curl_lines_work_while_the_demo_runs() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut family = Family::of(folder.path());
    let port = three_free_ports().await?;
    let mut demo = Command::new(env!("CARGO_BIN_EXE_wharf-demo"));
    demo.args(["--port", &port.to_string()]).env("TMPDIR", folder.path()).stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut demo = demo.spawn()?;
    let mut lines = BufReader::new(demo.stdout.take().context("no output")?).lines();
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
        // Without -f curl is content with any answer.
        let script = format!(
            "set -e\ncurl() {{ command curl --silent --show-error --fail-with-body \"$@\"; }}\n{}",
            block.replace(":3001", &format!(":{port}"))
        );
        let run = Command::new("sh").args(["-c", &script]).current_dir(folder.path()).kill_on_drop(true).output();
        let output = tokio::time::timeout(LIMIT, run).await.context("a block hangs")??;
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "{block}\n{said}");
    }
    let pid = i32::try_from(demo.id().context("the demo ended")?)?;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGINT)?;
    let status = tokio::time::timeout(LIMIT, demo.wait()).await.context("Ctrl-C does not end it")??;
    ensure!(status.success(), "{status}");
    family.until_gone(Duration::from_secs(2)).await
}

/// The demo wants three in a row.
async fn three_free_ports() -> Result<u16> {
    for _ in 0..50 {
        let first = TcpListener::bind("127.0.0.1:0").await?;
        let port = first.local_addr()?.port();
        if port < u16::MAX - 2 && TcpListener::bind(("127.0.0.1", port + 1)).await.is_ok() && TcpListener::bind(("127.0.0.1", port + 2)).await.is_ok()
        {
            return Ok(port);
        }
    }
    anyhow::bail!("no three free ports in a row")
}
