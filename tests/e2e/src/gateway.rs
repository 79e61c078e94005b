//! The gateway as a child process, which is killed and reaped when the value is dropped.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    task::JoinHandle,
};

use crate::{Api, processes::ProcessSet, until};

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
    pub processes: ProcessSet,
    child: Child,
    log: Log,
    /// The tasks that read its output; they end when every process that could write has ended.
    readers: Vec<JoinHandle<()>>,
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

    /// Requires that no line contains one of these texts. The log must be complete, as
    /// [`Gateway::stop_for_log`] returns it.
    ///
    /// # Errors
    /// When a line contains one; the error shows the beginning of that line.
    pub fn lacks(&self, texts: &[&str]) -> Result<()> {
        for line in self.lines() {
            for text in texts {
                ensure!(!line.contains(text), "{text:?} is in the log: {line:.600}");
            }
        }
        Ok(())
    }

    fn read(
        &self,
        pipe: Option<impl AsyncRead + Unpin + Send + 'static>,
    ) -> Option<JoinHandle<()>> {
        let mut pipe = BufReader::new(pipe?);
        let Self(lines) = self.clone();
        Some(tokio::spawn(async move {
            let mut line = Vec::new();
            // Read as bytes, because a line that is not UTF-8 must not end the log.
            while pipe
                .read_until(b'\n', &mut line)
                .await
                .is_ok_and(|read| read > 0)
            {
                let text = String::from_utf8_lossy(&line);
                lines
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(text.trim_end_matches(['\r', '\n']).to_owned());
                line.clear();
            }
        }))
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
        let readers = [log.read(child.stdout.take()), log.read(child.stderr.take())];
        // Made before the address is known: when the start fails, dropping the value ends the
        // browsers that were started meanwhile.
        let mut gateway = Self {
            api: Api::new("http://127.0.0.1")?,
            processes: ProcessSet::of(folder),
            child,
            log,
            readers: readers.into_iter().flatten().collect(),
        };
        let listening = until(
            "the gateway's address in its log",
            START,
            async || match gateway.child.try_wait()? {
                Some(status) => bail!("the gateway ended: {status}"),
                None => Ok(gateway.log.address()),
            },
        );
        let address = match listening.await {
            Ok(address) => address,
            Err(error) => {
                if gateway.child.try_wait()?.is_some() {
                    // The error quotes the log, which says why the gateway ended. What is missing
                    // after this wait does not matter more than the error itself.
                    let _ = until_read(std::mem::take(&mut gateway.readers)).await;
                }
                return Err(error.context(format!("its log:\n{}", gateway.log.tail())));
            }
        };
        gateway.api = Api::new(&format!("http://{address}"))?;
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
        self.processes.alive();
        kill(Pid::from_raw(self.pid()?), signal)?;
        let ended = tokio::time::timeout(limit, self.child.wait()).await;
        let status = ended.with_context(|| {
            format!(
                "it did not stop within {limit:?}; its log:\n{}",
                self.log.tail()
            )
        })??;
        self.processes.until_gone(Duration::from_secs(5)).await?;
        Ok(status)
    }

    /// [`Gateway::stop`], and returns the complete log. Only the log of a stopped gateway shows that
    /// a line is absent: while it runs, lines can still be on their way.
    ///
    /// # Errors
    /// As [`Gateway::stop`], and when the gateway does not end with status 0.
    pub async fn stop_for_log(mut self, limit: Duration) -> Result<Log> {
        let (log, readers) = (self.log.clone(), std::mem::take(&mut self.readers));
        let status = self.stop(limit).await?;
        ensure!(
            status.success(),
            "the gateway ended with {status}; its log:\n{}",
            log.tail()
        );
        until_read(readers).await?;
        Ok(log)
    }

    /// Kills the gateway (SIGKILL) and waits until its browsers have ended too.
    ///
    /// # Errors
    /// When a browser outlives it by more than 20 s.
    pub async fn crash(mut self) -> Result<()> {
        self.processes.alive();
        self.child.kill().await?;
        self.processes.until_gone(Duration::from_secs(20)).await
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

/// Waits until all output of a gateway that has ended is in its log.
async fn until_read(readers: Vec<JoinHandle<()>>) -> Result<()> {
    for reader in readers {
        tokio::time::timeout(Duration::from_secs(5), reader)
            .await
            .context("a process still holds the gateway's output")??;
    }
    Ok(())
}

impl Drop for Gateway {
    /// Makes sure that no process outlives this value, however the test ended.
    fn drop(&mut self) {
        self.processes.alive();
        // This fails when the gateway has ended already. The guard processes notice the end of
        // their pipe and close the browsers.
        let _ = self.child.start_kill();
        let until = std::time::Instant::now() + Duration::from_secs(15);
        while !self.processes.alive().is_empty() && std::time::Instant::now() < until {
            // Reaps the gateway itself.
            let _ = self.child.try_wait();
            std::thread::sleep(Duration::from_millis(50));
        }
        self.processes.kill();
    }
}
