//! Runs third-party tools on the document that the gateway serves.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use tokio::process::Command;
use wharf_e2e::project;

use crate::{KEY, met::Met, prepared::Prepared};

/// Time limit of one tool, long enough for a busy machine.
const LIMIT: Duration = Duration::from_secs(300);

/// The tools' folder and the gateway that they check.
#[derive(Debug)]
pub(crate) struct Tools {
    bin: PathBuf,
    url: String,
    /// The folder for generated files: a client and reports.
    folder: PathBuf,
}

impl Tools {
    pub(crate) fn new(bin: &Path, url: &str) -> Result<Self> {
        let bin = bin
            .canonicalize()
            .with_context(|| format!("no tools in {}; run cargo xtask openapi", bin.display()))?;
        // The folder is beside the Python environment.
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

    /// Generates a client from the document and runs our script, which does the main job with it.
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

    /// Lets schemathesis generate calls about that session and check the answers against the
    /// document. Adds the statuses of the answers to `met`. Returns false when it reported a
    /// problem.
    pub(crate) async fn schemathesis(
        &self,
        session: &str,
        prepared: &Prepared,
        met: &mut Met,
    ) -> Result<bool> {
        let name = if session == "ready" {
            "default"
        } else {
            session
        };
        let things = self.folder.join(format!("things-{session}.json"));
        fs::write(&things, prepared.things(name).await?.to_string())?;
        let counted = self.folder.join(format!("met-{session}.json"));
        fs::write(&counted, "{}")?;
        println!("schemathesis, about the session that is {session}:");
        let mut st = self.command("st");
        st.env("SCHEMATHESIS_HOOKS", "hooks")
            .env("PYTHONPATH", project::root().join("tests/openapi"))
            // The order of its sets, and with it the generated calls, is then the same in every run.
            .env("PYTHONHASHSEED", "0")
            .env("WHARF_THINGS", things)
            .env("WHARF_MET", &counted);
        st.arg("--config-file")
            .arg(project::root().join("tests/openapi/schemathesis.toml"))
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
            // The other calls do not depend on a session and were checked in the first run.
            st.args([
                "--include-path-regex",
                "^/(v1/sessions/[{]id[}]|api/whatsapp)",
            ]);
        }
        let agrees = run(&mut st).await?;
        met.add(&counted)?;
        Ok(agrees)
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
