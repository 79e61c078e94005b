//! The server of the page as a child process, and a client of its control API.

use std::{net::TcpListener, process::Stdio, time::Duration};

use anyhow::{Context, Result, bail};
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use reqwest::Client;
use serde_json::{Map, Value, json};
use tokio::process::{Child, Command};
use wharf_e2e::until;

/// Time limit of the server's start: it reads about ten thousand modules.
const START: Duration = Duration::from_secs(60);
const ANSWER: Duration = Duration::from_secs(40);

/// A running server; it and the processes it started are killed when the value is dropped.
pub(crate) struct Control {
    url: String,
    http: Client,
    child: Child,
}

impl Control {
    pub(crate) async fn serve(command: &str) -> Result<Self> {
        anyhow::ensure!(
            command.contains("{port}"),
            "--serve has no {{port}} in it: {command:?}"
        );
        // The port is free at this moment. If another process takes it before the server does, this
        // run fails.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let command = command.replace("{port}", &port.to_string());
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &format!("exec {command}")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .process_group(0)
            .kill_on_drop(true);
        let child = shell
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        let http = Client::builder().timeout(ANSWER).no_proxy().build()?;
        let mut control = Self {
            url: format!("http://127.0.0.1:{port}/"),
            http,
            child,
        };
        until("an answer of the page's server", START, async || {
            if let Some(status) = control.child.try_wait()? {
                bail!("the server ended: {status}");
            }
            Ok(control
                .http
                .get(&control.url)
                .send()
                .await
                .ok()
                .filter(|answer| answer.status().is_success()))
        })
        .await?;
        Ok(control)
    }

    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    pub(crate) async fn ask(&self, command: &str, body: Value) -> Result<Value> {
        self.ask_text(command, body.to_string()).await
    }

    /// [`Control::ask`] with JSON text that `Value` cannot represent.
    pub(crate) async fn ask_text(&self, command: &str, body: String) -> Result<Value> {
        let answer = self
            .http
            .post(format!("{}__control/{command}", self.url))
            .body(body)
            .send()
            .await
            .context("the page's server")?;
        let answer: Value = serde_json::from_str(&answer.text().await?)
            .with_context(|| format!("the answer to {command}"))?;
        match (&answer["error"], &answer["result"]["error"]) {
            (Value::Null, Value::Null) => Ok(answer["result"].clone()),
            (Value::Null, error) | (error, _) => bail!("{command} was answered {error}"),
        }
    }

    /// The messages that went out, by id.
    pub(crate) async fn messages(&self) -> Result<Map<String, Value>> {
        match self.ask("msgs", json!({})).await? {
            Value::Object(messages) => Ok(messages),
            other => bail!("msgs was answered {other}"),
        }
    }

    /// The messages that went out and contain this text.
    pub(crate) async fn sent(&self, text: &str) -> Result<Vec<Value>> {
        let messages = self
            .messages()
            .await?
            .into_iter()
            .map(|(_, message)| message);
        Ok(messages
            .filter(|message| message["plain"].to_string().contains(text))
            .collect())
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        if let Some(group) = self.child.id().and_then(|id| i32::try_from(id).ok()) {
            // This fails when the server has ended.
            let _ = killpg(Pid::from_raw(group), Signal::SIGKILL);
        }
    }
}
