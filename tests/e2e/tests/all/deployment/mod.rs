//! Deployment: Dockerfile, compose file, Railway's file, the systemd unit and the documentation
//! agree with the gateway, and a packed or installed gateway works where it is.

mod archive;
mod containers;
mod unit;

use std::{collections::BTreeMap, fs, time::Duration};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use wharf::{
    cli::Cli,
    config::{Server, Sources},
};
use wharf_e2e::{House, Plan, gateway, project::root};

const LIMIT: Duration = Duration::from_secs(60);

/// The folder of logins and database on a machine or in a container.
const STATE: &str = "/var/lib/wharf";

fn text(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// How long a supervisor must wait for a stop: the gateway's own time limit, and then the guards'
/// time to close the browsers if the gateway did not.
fn stop_time() -> Duration {
    let file = text("gateway.toml");
    let grace = file
        .split("# close_grace = \"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .expect("its default");
    Server::default().shutdown.duration() + seconds(grace)
}

/// Whether the gateway reads this environment variable.
fn is_read(name: &str) -> bool {
    let sources = Sources {
        variables: BTreeMap::from([(name.to_owned(), "x".to_owned())]),
        ..Sources::default()
    };
    // The command line reads this variable.
    name == "WHARF_CONFIG" || !sources.names_set([]).is_empty()
}

/// The value of a key that occurs once in a file with lines `key: value` or `key=value`.
fn value<'a>(text: &'a str, key: &str) -> &'a str {
    let mut found = text.lines().filter_map(|line| {
        line.trim()
            .strip_prefix(key)?
            .strip_prefix([':', '='])
            .map(str::trim)
    });
    let value = found.next().unwrap_or_else(|| panic!("no {key}"));
    assert_eq!(found.next(), None, "{key} stands twice");
    value
}

fn seconds(text: &str) -> Duration {
    Duration::from_secs(
        text.strip_suffix('s')
            .and_then(|number| number.parse().ok())
            .unwrap_or_else(|| panic!("{text} is not in seconds")),
    )
}

#[test]
fn what_the_docs_type_is_understood() {
    let mut seen = 0;
    for file in [
        "docs/deployment.md",
        "docs/operations.md",
        "docs/passkey.md",
        "docs/sessions.md",
        "README.md",
    ] {
        let page = text(file);
        let blocks = page
            .split("```sh")
            .skip(1)
            .filter_map(|rest| rest.split_once('\n')?.1.split("```").next());
        let lines = blocks.flat_map(str::lines).map(str::trim);
        for line in lines.filter_map(|line| line.split(" | ").next()) {
            let words: Vec<&str> = line
                .split_whitespace()
                .skip_while(|word| *word != "wharf")
                .collect();
            let is_typed = line.starts_with("wharf ") || line.starts_with("sudo -u wharf wharf ");
            if !is_typed {
                continue;
            }
            let words = if line.starts_with("sudo") {
                &words[1..]
            } else {
                &words[..]
            };
            seen += 1;
            let parsed = Cli::try_parse_from(words);
            assert!(
                parsed.is_ok(),
                "{file}: {line}: {:?}",
                parsed.err().map(|error| error.to_string())
            );
        }
    }
    assert!(seen >= 7, "{seen} commands");
}

/// Runs the container's health check against a running gateway, against another program and without
/// a gateway.
#[tokio::test]
async fn health_is_a_line_and_an_exit_status() -> Result<()> {
    let house = House::build(Plan {
        overlay: "plugin = []\n[browser]\nexecutable = '/nowhere/chromium'\n".into(),
        ..Plan::default()
    })
    .await?;
    let gateway = house.open().await?;
    let port = gateway
        .api
        .url
        .rsplit(':')
        .next()
        .context("a port")?
        .to_owned();
    let ask = async |port: &str, words: &[&str]| -> Result<(Option<i32>, String)> {
        let mut command = gateway::command(house.folder())?;
        let output =
            tokio::time::timeout(LIMIT, command.args(words).env("PORT", port).output()).await??;
        Ok((
            output.status.code(),
            format!(
                "{}{}",
                String::from_utf8(output.stdout)?,
                String::from_utf8(output.stderr)?
            ),
        ))
    };
    for (words, wanted) in [(&["health"][..], "ready"), (&["health", "--live"], "alive")] {
        let (status, said) = ask(&port, words).await?;
        ensure!(
            status == Some(0) && said == format!("{wanted}: http://127.0.0.1:{port}\n"),
            "{words:?}: {status:?} {said}"
        );
    }
    // The stand-in is an HTTP server that is not a gateway.
    let other = house.standin.url();
    let other = other
        .trim_end_matches('/')
        .rsplit(':')
        .next()
        .context("a port")?
        .to_owned();
    let (status, said) = ask(&other, &["health"]).await?;
    ensure!(
        status == Some(1) && said.contains("another program answers at"),
        "{status:?} {said}"
    );
    ensure!(gateway.stop(LIMIT).await?.success());
    let (status, said) = ask(&port, &["health"]).await?;
    ensure!(
        status == Some(1) && said.contains("no gateway answers at") && said.lines().count() == 1,
        "{status:?} {said}"
    );
    let (status, said) = ask("many", &["health"]).await?;
    ensure!(
        status == Some(1) && said.contains("PORT = \"many\""),
        "a wrong configuration is no other status: {status:?} {said}"
    );
    Ok(())
}
