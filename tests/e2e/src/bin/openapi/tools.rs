//! The tools of others, run on the document that the gateway answers.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::process::Command;
use wharf_e2e::project;

use crate::{KEY, prepared::Prepared};

/// For one run of schemathesis, on a machine that does much else.
const LIMIT: Duration = Duration::from_secs(300);

/// Where the tools are, and what they are pointed at.
#[derive(Debug)]
pub(crate) struct Tools {
    bin: PathBuf,
    url: String,
    /// What they make: a client, reports.
    folder: PathBuf,
}

impl Tools {
    pub(crate) fn new(bin: &Path, url: &str) -> Result<Self> {
        let bin = bin
            .canonicalize()
            .with_context(|| format!("no tools in {}; run cargo xtask openapi", bin.display()))?;
        // Beside the environment.
        let folder = bin
            .ancestors()
            .nth(2)
            .context("the tools lie in no environment")?
            .join("made");
        fs::create_dir_all(&folder)?;
        Ok(Self {
            bin,
            url: url.to_owned(),
            folder,
        })
    }

    /// Makes a client of the document, and lets a script of ours do the main job with it.
    pub(crate) async fn client(&self) -> Result<()> {
        let made = self.folder.join("client");
        let mut generate = self.command("openapi-python-client");
        generate
            .args([
                "generate",
                "--overwrite",
                "--fail-on-warning",
                "--meta",
                "none",
                "--config",
            ])
            .arg(project::root().join("tests/openapi/client.yaml"))
            .arg("--url")
            .arg(format!("{}/openapi.json", self.url));
        generate.arg("--output-path").arg(made.join("wharf_client"));
        ensure!(
            run(&mut generate).await?,
            "no client can be made of the document without a warning"
        );
        let mut script = self.command("python");
        script
            .arg(project::root().join("tests/openapi/client.py"))
            .args([&self.url, KEY])
            .env("PYTHONPATH", &made);
        ensure!(
            run(&mut script).await?,
            "the client made of the document does not do the main job"
        );
        Ok(())
    }

    /// Lets schemathesis make up calls about that session and hold the answers against the
    /// document. False: it found something, and said so.
    pub(crate) async fn schemathesis(&self, session: &str, prepared: &Prepared) -> Result<bool> {
        let name = if session == "ready" {
            "default"
        } else {
            session
        };
        let rules = fs::read_to_string(project::root().join("tests/openapi/schemathesis.toml"))?;
        let values = |list: &[String]| json!(list).to_string();
        let there = format!(
            "\n[dictionaries]\nsession.values = [\"{name}\"]\nmessage.values = {}\norder.values = {}\ndelivery.values = {}\n",
            values(&prepared.messages),
            values(&prepared.orders),
            values(&prepared.deliveries),
        );
        let file = self.folder.join(format!("schemathesis-{session}.toml"));
        fs::write(&file, rules + &there)?;
        println!("schemathesis, about the session that is {session}:");
        let mut st = self.command("st");
        st.env("SCHEMATHESIS_HOOKS", "hooks")
            .env("PYTHONPATH", project::root().join("tests/openapi"));
        st.arg("--config-file")
            .arg(&file)
            .args(["run", &format!("{}/openapi.json", self.url)]);
        st.args([
            "--url",
            &self.url,
            "--header",
            &format!("Authorization: Bearer {KEY}"),
            "--report-ndjson-path",
        ])
        .arg(self.folder.join(format!("{session}.ndjson")));
        if session == "unlinked" {
            // The rest is about no session and was looked at already.
            st.args([
                "--include-path-regex",
                "^/(v1/sessions/[{]id[}]|api/whatsapp)",
            ]);
        }
        run(&mut st).await
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.bin.join(name));
        command
            .current_dir(&self.folder)
            .env("NO_COLOR", "1")
            .kill_on_drop(true);
        command
    }
}

async fn run(command: &mut Command) -> Result<bool> {
    let name = command
        .as_std()
        .get_program()
        .to_string_lossy()
        .into_owned();
    let status = tokio::time::timeout(LIMIT, command.status()).await;
    Ok(status
        .with_context(|| format!("{name} took longer than {LIMIT:?}"))?
        .with_context(|| format!("cannot start {name}"))?
        .success())
}
