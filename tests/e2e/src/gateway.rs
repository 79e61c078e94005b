//! The gateway as a child process, killed and reaped when dropped.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
};

use crate::{Api, processes::Family, until};

/// Variables that would change the gateway under test.
const FOREIGN: [&str; 7] = [
    "PORT",
    "HOST",
    "PUBLIC_URL",
    "CLIENT_ID",
    "SESSION_PATH",
    "LOG_LEVEL",
    "WHARF_API_KEY",
];

/// Loading plugins the first time compiles them.
const START: Duration = Duration::from_secs(60);

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    /// A client of it.
    pub api: Api,
    /// Its processes.
    pub family: Family,
    child: Child,
    log: Log,
}

/// What it wrote to its standard output and error, line by line.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// The lines so far.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The last lines, for an error message.
    #[must_use]
    pub fn tail(&self) -> String {
        let lines = self.lines();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    fn read(&self, pipe: Option<impl AsyncRead + Unpin + Send + 'static>) {
        let Some(pipe) = pipe else { return };
        let Self(lines) = self.clone();
        tokio::spawn(async move {
            let mut pipe = BufReader::new(pipe).lines();
            while let Ok(Some(line)) = pipe.next_line().await {
                lines
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(line);
            }
        });
    }

    /// The address the gateway says it listens on, in JSON or, with `NO_COLOR`, in the form for
    /// people.
    fn address(&self) -> Option<String> {
        self.lines().iter().find_map(|line| {
            let line: Value = serde_json::from_str(line).unwrap_or_else(|_| {
                let address = line
                    .split("address=")
                    .nth(1)
                    .and_then(|rest| rest.split_whitespace().next());
                serde_json::json!({"address": address})
            });
            let address = line["address"]
                .as_str()
                .or_else(|| line["fields"]["address"].as_str())?;
            Some(address.trim_start_matches("http://").to_owned())
        })
    }
}

/// The gateway's binary: beside our own, or `WHARF_BIN`.
///
/// # Errors
/// When it has not been built.
pub fn program() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("WHARF_BIN") {
        return Ok(path.into());
    }
    let here = std::env::current_exe()?;
    // A test binary lies in `deps`, a program beside it.
    let found = here
        .ancestors()
        .skip(1)
        .take(2)
        .map(|dir| dir.join("wharf"))
        .find(|path| path.is_file());
    found.with_context(|| {
        format!(
            "no wharf beside {}; build it with cargo build -p wharf",
            here.display()
        )
    })
}

/// The command that runs the gateway in `folder`, with nothing of our environment that it would
/// read.
///
/// # Errors
/// When it has not been built.
pub fn command(folder: &Path) -> Result<Command> {
    let mut command = Command::new(program()?);
    command
        .arg("--config")
        .arg(folder.join("gateway.toml"))
        .current_dir(folder);
    for name in FOREIGN {
        command.env_remove(name);
    }
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    Ok(command)
}

impl Gateway {
    /// Starts it with `folder/gateway.toml` and waits until it answers.
    ///
    /// # Errors
    /// When it does not; the error has the end of its log.
    pub async fn start(folder: &Path, environment: &[(String, String)]) -> Result<Self> {
        let mut command = command(folder)?;
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        let mut child = command.spawn().context("cannot start the gateway")?;
        let log = Log::default();
        log.read(child.stdout.take());
        log.read(child.stderr.take());
        let listening = until(
            "the gateway's address in its log",
            START,
            async || match child.try_wait()? {
                Some(status) => bail!("the gateway ended: {status}"),
                None => Ok(log.address()),
            },
        );
        let address = listening
            .await
            .with_context(|| format!("its log:\n{}", log.tail()))?;
        let gateway = Self {
            api: Api::new(&format!("http://{address}"))?,
            family: Family::of(folder),
            child,
            log,
        };
        let answers = until("an answer of /livez", START, async || {
            Ok(gateway
                .api
                .get("/livez")
                .await
                .ok()
                .filter(|answer| answer.status == 200))
        });
        answers
            .await
            .with_context(|| format!("its log:\n{}", gateway.log.tail()))?;
        Ok(gateway)
    }

    /// What it wrote.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Waits for a line of the log.
    ///
    /// # Errors
    /// When there is none within `limit`.
    pub async fn until_log(
        &self,
        what: &str,
        limit: Duration,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<String> {
        let found = until(what, limit, async || {
            Ok(self.log.lines().into_iter().find(|line| wanted(line)))
        });
        found
            .await
            .with_context(|| format!("its log:\n{}", self.log.tail()))
    }

    /// Its process id.
    ///
    /// # Errors
    /// When it has ended.
    pub fn pid(&self) -> Result<i32> {
        let pid = self.child.id().context("the gateway has ended")?;
        Ok(i32::try_from(pid)?)
    }

    /// Asks it to stop (SIGTERM) and waits.
    ///
    /// # Errors
    /// When it does not within `limit`, or leaves a process behind.
    pub async fn stop(self, limit: Duration) -> Result<ExitStatus> {
        self.stop_by(Signal::SIGTERM, limit).await
    }

    /// The same with another signal.
    ///
    /// # Errors
    /// As [`Gateway::stop`].
    pub async fn stop_by(mut self, signal: Signal, limit: Duration) -> Result<ExitStatus> {
        // Notes the process groups while their leaders live.
        self.family.alive();
        kill(Pid::from_raw(self.pid()?), signal)?;
        let ended = tokio::time::timeout(limit, self.child.wait()).await;
        let status = ended.with_context(|| {
            format!(
                "it did not stop within {limit:?}; its log:\n{}",
                self.log.tail()
            )
        })??;
        self.family.until_gone(Duration::from_secs(5)).await?;
        Ok(status)
    }

    /// Kills it (SIGKILL) and waits until its browsers are gone too.
    ///
    /// # Errors
    /// When a browser outlives it by more than 20 s.
    pub async fn crash(mut self) -> Result<()> {
        self.family.alive();
        self.child.kill().await?;
        self.family.until_gone(Duration::from_secs(20)).await
    }
}

/// Writes `gateway.toml` into `folder`.
///
/// # Errors
/// When it cannot be written.
pub fn write_config(folder: &Path, text: &str) -> Result<()> {
    fs::write(folder.join("gateway.toml"), text)
        .with_context(|| format!("cannot write gateway.toml in {}", folder.display()))
}

impl Drop for Gateway {
    /// Whatever went wrong before: no process outlives this value.
    fn drop(&mut self) {
        self.family.alive();
        // Fails when it has ended; the guard processes see the end of the pipe and close the
        // browsers.
        let _ = self.child.start_kill();
        let until = std::time::Instant::now() + Duration::from_secs(15);
        while !self.family.alive().is_empty() && std::time::Instant::now() < until {
            // Reaps the gateway itself.
            let _ = self.child.try_wait();
            std::thread::sleep(Duration::from_millis(50));
        }
        for pid in self.family.alive() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}
