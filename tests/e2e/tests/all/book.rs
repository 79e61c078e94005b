//! Follows `docs/plugins/first.md` literally, in a folder outside of the repository: from
//! `wharf plugin new` to a running gateway that rejects. Then types what the pages for operators
//! show. The other pages for authors need no gateway, and `host/tests/workbench` follows them.

use std::{env, fs, path::Path};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;
use wharf_e2e::{Gateway, House, Plan, gateway::program, house::plugins, project::root};

use crate::readme::{block, blocks, run, shell};

const BOOK: &str = "docs/plugins/first.md";
const CASE: &str = "tests/cases/capital-letters-do-not-help.toml";

/// Puts the program and the SDK where an installation has them.
fn install(outside: &Path) -> Result<()> {
    let prefix = outside.join("installed");
    fs::create_dir_all(prefix.join("bin"))?;
    fs::create_dir_all(prefix.join("share/wharf"))?;
    let program = program()?;
    let place = prefix.join("bin/wharf");
    // A link by name would lead the program back to the repository.
    fs::hard_link(&program, &place).or_else(|_| fs::copy(&program, &place).map(drop))?;
    std::os::unix::fs::symlink(root().join("sdk"), prefix.join("share/wharf/sdk"))?;
    Ok(())
}

/// A shell of an author who has `wharf` on the PATH.
fn author(script: &str, folder: &Path, outside: &Path) -> Result<Command> {
    let path = env::var("PATH")?;
    let bin = outside.join("installed/bin");
    let mut shell = shell(script, folder);
    shell
        .env("PATH", format!("{}:{path}", bin.display()))
        .env("XDG_CACHE_HOME", outside.join("cache"))
        .env_remove("WHARF_CONFIG");
    Ok(shell)
}

#[tokio::test]
async fn the_book_leads_from_nothing_to_a_gateway_that_rejects() -> Result<()> {
    let outside = tempfile::tempdir()?;
    let project = outside.path().join("banned-words");
    fs::copy(
        root().join("rust-toolchain.toml"),
        outside.path().join("rust-toolchain.toml"),
    )?;
    install(outside.path())?;
    run(shell(&block(BOOK, "sh tools"), outside.path())).await?;
    // Between the first two commands of the block, the versions of the repository are put into the
    // project, and the build results of earlier runs: neither is the subject of this test.
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("book");
    fs::create_dir_all(&kept)?;
    let first = block(BOOK, "sh author");
    let (new, rest) = first.split_once('\n').context("two commands")?;
    run(author(new, outside.path(), outside.path())?).await?;
    std::os::unix::fs::symlink(&kept, project.join("target"))?;
    fs::copy(root().join("Cargo.lock"), project.join("Cargo.lock"))?;
    let said = run(author(rest, outside.path(), outside.path())?).await?;
    ensure!(said.contains("2 passed, 0 failed"), "{said}");

    for (info, file) in [
        ("rust src/lib.rs", "src/lib.rs"),
        ("toml gateway.toml", "gateway.toml"),
    ] {
        let (shown, made) = (block(BOOK, info), fs::read_to_string(project.join(file))?);
        ensure!(made.contains(&shown), "{file} is not as shown:\n{made}");
    }

    fs::write(project.join(CASE), block(BOOK, &format!("toml {CASE}")))?;
    let failed = author("wharf plugin test", &project, outside.path())?
        .output()
        .await?;
    let said = String::from_utf8_lossy(&failed.stdout).into_owned();
    ensure!(failed.status.code() == Some(1), "{failed:?}");
    for line in block(BOOK, "text").lines() {
        ensure!(said.contains(line), "{line:?} is not printed: {said}");
    }
    let changed = block(BOOK, "sh author, changed");
    let said = run(author(&changed, &project, outside.path())?).await?;
    ensure!(said.contains("3 passed, 0 failed"), "{said}");

    let tried = block(BOOK, "sh author, tried");
    let said = run(author(&tried, &project, outside.path())?).await?;
    ensure!(
        said.contains("banned_word") && said.contains("validate: "),
        "{said}"
    );

    ensure!(
        block(BOOK, "sh gateway").trim() == "wharf --config gateway.toml",
        "the gateway is started otherwise"
    );
    let environment = [
        ("PORT".to_owned(), "0".to_owned()),
        ("CHROMIUM".to_owned(), "/nowhere/chromium".to_owned()),
    ];
    let gateway = Gateway::start(&project, &environment).await?;
    let send =
        block(BOOK, "sh another terminal").replace("http://localhost:3001", &gateway.api.url);
    let answer = run(shell(
        &send.replace("curl ", "curl --silent --write-out '\n%{http_code}' "),
        outside.path(),
    ))
    .await?;
    ensure!(
        answer.ends_with("\n422") && answer.contains("banned_word"),
        "{answer}"
    );
    Ok(())
}

/// A gateway without a browser, with `number-policy` as in the repository's `gateway.toml`, and the
/// bundled plugins in a folder beside its configuration, where operators exchange them.
async fn operated() -> Result<(House, Gateway)> {
    let house = House::build(Plan {
        overlay:
            "plugin = [{ name = 'number-policy', grants = { kv = '1MiB', kv_shared = true } }]\n\
                  [browser]\nexecutable = '/nowhere/chromium'\n[plugins]\ndir = 'plugins'\n"
                .into(),
        ..Plan::default()
    })
    .await?;
    let own = house.folder().join("plugins");
    fs::create_dir(&own)?;
    let component = "number_policy.wasm";
    fs::copy(plugins().join(component), own.join(component))?;
    let gateway = house.open().await?;
    // The commands read the port from the configuration.
    let port = gateway.api.url.rsplit(':').next().context("a port")?;
    let config = house.folder().join("gateway.toml");
    let text = fs::read_to_string(&config)?;
    fs::write(&config, text.replace("port = 0", &format!("port = {port}")))?;
    Ok((house, gateway))
}

#[tokio::test]
async fn what_operators_type_works_while_a_gateway_runs() -> Result<()> {
    let (house, gateway) = operated().await?;
    let outside = tempfile::tempdir()?;
    install(outside.path())?;
    // A verdict that can be repeated.
    gateway
        .api
        .send_async("4915123456789", "Good morning")
        .await?
        .expect(202)?;
    let quiet = "curl() { command curl --silent --show-error --fail-with-body \"$@\"; }\n";
    for (page, expected) in [
        (
            "docs/plugins/operating.md",
            vec!["number-policy", "send-validation"],
        ),
        (
            "docs/plugins/recipes.md",
            vec![
                "\"before\"",
                "by phone",
                "\"because\":\"switch\"",
                "unknown_calling_code",
                "wharf_plugin_verdicts_total",
            ],
        ),
    ] {
        let mut said = String::new();
        for block in blocks(page, "sh operator") {
            let typed = block.replace("http://localhost:3001", &gateway.api.url);
            let command = author(&format!("{quiet}{typed}"), house.folder(), outside.path())?;
            said.push_str(&run(command).await.with_context(|| block.clone())?);
        }
        for words in expected {
            ensure!(
                said.contains(words),
                "{page}: {words:?} is not printed:\n{said}"
            );
        }
    }
    Ok(())
}
