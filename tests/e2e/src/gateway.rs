//! The gateway as a child process, which is killed and reaped when the value is dropped.

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

/// Environment variables that would change the configuration of the gateway under test.
const FOREIGN: [&str; 7] = [
    "PORT",
    "HOST",
    "PUBLIC_URL",
    "CLIENT_ID",
    "SESSION_PATH",
    "LOG_LEVEL",
    "WHARF_API_KEY",
];

/// Time limit of a start; the first one compiles the plugins.
const START: Duration = Duration::from_secs(60);

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    /// A client of this gateway.
    pub api: Api,
    /// Its processes and those of its browsers.
    pub family: Family,
    child: Child,
    log: Log,
}

/// What the gateway wrote to its standard output and error, line by line.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// All lines written so far.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The last 40 lines, for an error message.
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

    /// The address on which the gateway listens, as it logs it: in JSON or, with `NO_COLOR`, as
    /// text.
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

/// The gateway's binary: the file named by `WHARF_BIN`, or the one beside our own binary.
///
/// # Errors
/// When it has not been built.
pub fn program() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("WHARF_BIN") {
        return Ok(path.into());
    }
    let here = std::env::current_exe()?;
    // A test binary is in `deps`, one folder below `wharf`; a program is in the same folder.
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

/// The command that runs the gateway in `folder`, without the variables of our environment that it
/// would read. `CHROMIUM` is kept.
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
    /// Starts the gateway with `folder/gateway.toml` and waits until it answers.
    ///
    /// # Errors
    /// When it does not answer within a minute; the error contains the end of its log.
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

    /// Its log.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Waits for a log line that `wanted` accepts.
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

    /// The gateway's process id.
    ///
    /// # Errors
    /// When it has ended.
    pub fn pid(&self) -> Result<i32> {
        let pid = self.child.id().context("the gateway has ended")?;
        Ok(i32::try_from(pid)?)
    }

    /// Sends SIGTERM and waits until the gateway and its browsers have ended.
    ///
    /// # Errors
    /// When it does not end within `limit`, or leaves a process behind.
    pub async fn stop(self, limit: Duration) -> Result<ExitStatus> {
        self.stop_by(Signal::SIGTERM, limit).await
    }

    /// [`Gateway::stop`] with another signal.
    ///
    /// # Errors
    /// As [`Gateway::stop`].
    pub async fn stop_by(mut self, signal: Signal, limit: Duration) -> Result<ExitStatus> {
        // Records the process groups while their leaders are alive.
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

    /// Kills the gateway (SIGKILL) and waits until its browsers have ended too.
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
    /// Makes sure that no process outlives this value, however the test ended.
    fn drop(&mut self) {
        self.family.alive();
        // This fails when the gateway has ended already. The guard processes notice the end of
        // their pipe and close the browsers.
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
