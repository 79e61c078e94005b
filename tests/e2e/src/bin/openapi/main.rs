//! Checks the OpenAPI document against the running gateway: `wharf-openapi --tools <bin of a Python
//! environment>`.
//!
//! The tools know only the document: Chromium opens the reference page, a client generated from the
//! document does the main job, and schemathesis generates calls from the document and checks each
//! answer, once for a linked session and once for one that is not linked. `cargo xtask openapi`
//! installs the tools and runs this.

mod met;
mod page;
mod prepared;
mod tools;

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use wharf_e2e::{House, Plan};

use self::{met::Met, prepared::Prepared, tools::Tools};

/// The API key of the calls. With a key configured, the access check is tested too.
const KEY: &str = "a-key-for-the-check-of-the-document";

/// Generated sends wait for numbers that do not exist, so the time limit of a send is short.
const CONFIGURATION: &str = "
[send]
timeout = '3s'
[sessions.session.unlinked]
";

#[derive(Debug, Parser)]
struct Arguments {
    /// The folder of schemathesis, openapi-python-client and Python.
    #[arg(long)]
    tools: PathBuf,
    /// Run only this part: page, client, ready or unlinked.
    #[arg(long)]
    only: Option<String>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let wanted = |part: &str| arguments.only.as_deref().is_none_or(|only| only == part);
    let environment = vec![("WHARF_API_KEY".to_owned(), KEY.to_owned())];
    let house = House::build(Plan {
        overlay: CONFIGURATION.into(),
        environment,
        ..Plan::default()
    })
    .await?;
    with_candidate(&house)?;
    let gateway = house.open().await?;
    let prepared = Prepared::new(&house, &gateway.api.url).await?;
    let tools = Tools::new(&arguments.tools, &gateway.api.url)?;
    if wanted("page") {
        page::check(&gateway.api.url).await?;
    }
    if wanted("client") {
        tools.client().await?;
    }
    let (mut failed, mut met) = (Vec::new(), Met::default());
    for session in ["ready", "unlinked"] {
        if wanted(session) && !tools.schemathesis(session, &prepared, &mut met).await? {
            failed.push(session);
        }
    }
    ensure!(
        failed.is_empty(),
        "the gateway's answers are not what the document says, about the session that is {}",
        failed.join(" and ")
    );
    let broken: Vec<String> = gateway
        .log()
        .lines()
        .into_iter()
        .filter(|line| line.contains("a request failed inside"))
        .collect();
    ensure!(
        broken.is_empty(),
        "requests failed inside the gateway:\n{}",
        broken.join("\n")
    );
    // Some operations can succeed only with one of the two sessions.
    if wanted("ready") && wanted("unlinked") {
        met.check(&gateway.api).await?;
    }
    Ok(())
}

/// Gives the first plugin a candidate, of which the API tells.
fn with_candidate(house: &House) -> Result<()> {
    let file = house.folder().join("gateway.toml");
    let mut config: toml::Table = std::fs::read_to_string(file)?.parse()?;
    let entry = config
        .get_mut("plugin")
        .and_then(|plugins| plugins.get_mut(0))
        .and_then(toml::Value::as_table_mut)
        .context("no plugin")?;
    let candidate: toml::Table = "file = 'number_policy.wasm'".parse()?;
    entry.insert("candidate".into(), candidate.into());
    wharf_e2e::gateway::write_config(house.folder(), &toml::to_string(&config)?)
}
