//! Tests of plugins in Rust, with the built component in the plugin host of the gateway.
//!
//! The harness runs `wharf plugin run`; it does not link the host. So a plugin's tests compile in
//! seconds, and what they prove holds for the gateway that is installed: its checks, its limits,
//! its storage. The unit tests with `wharf_plugin::testing` are faster, and prove less.
//!
//! ```no_run
//! use serde_json::json;
//! use wharf_harness::Harness;
//!
//! let plugin = Harness::new("banned-words", "build/banned-words.wasm")
//!     .entry(r#"config = { words = ["lottery"] }"#);
//! let answers = plugin.run(&[json!({"to": "+4915123456789", "text": "You won the lottery!"})])?;
//! assert_eq!(answers[0].answer["code"], "banned_word");
//! # Ok::<(), wharf_harness::HarnessError>(())
//! ```

use std::{
    env,
    io::{self, Write},
    path::PathBuf,
    process::{Command, Stdio},
    thread,
};

use serde_json::Value;

/// A component, and how it is called.
#[derive(Debug, Clone)]
pub struct Harness {
    name: String,
    component: PathBuf,
    entry: String,
    secrets: Vec<(String, String)>,
    now: Option<String>,
}

/// The answer to one input.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// What `wharf plugin run` prints: for a validator `verdict`, `code` and `reason`, for a
    /// templater `content`, for a notifier `targets`.
    pub answer: Value,
    /// Whether the plugin failed: it panicked, exceeded a limit, or returned an error. A rejection
    /// is no failure.
    pub failed: bool,
    /// Each call with its time (`wallMicros`, `instantiationMicros`, `cpuMicros`), `memoryBytes`,
    /// `log`, `stderr` and `notGranted`.
    pub calls: Vec<Value>,
}

/// Why a component could not be called.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HarnessError {
    /// The program `wharf` could not be run.
    #[error("cannot run {program}: {error}; install wharf, or name the program in WHARF_BIN")]
    Program {
        /// The program.
        program: PathBuf,
        /// What is wrong with it.
        error: io::Error,
    },
    /// The program refused the component, its entry or an input, for this reason.
    #[error("{0}")]
    Refused(String),
    /// The program has printed something else than answers, as one of another version might.
    #[error("wharf did not print one answer for each input: {0}")]
    Output(String),
}

impl Harness {
    /// A component, by the plugin's name and the path of the file.
    #[must_use]
    pub fn new(name: impl Into<String>, component: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            component: component.into(),
            entry: String::new(),
            secrets: Vec::new(),
            now: None,
        }
    }

    /// The rest of the plugin's `[[plugin]]` entry in `gateway.toml`: `config`, `grants`, limits.
    #[must_use]
    pub fn entry(mut self, toml: impl Into<String>) -> Self {
        self.entry = toml.into();
        self
    }

    /// The value of a secret, which the entry has to grant.
    #[must_use]
    pub fn secret(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.secrets.push((name.into(), value.into()));
        self
    }

    /// The time of the calls, RFC 3339. Without it calls have the present time.
    #[must_use]
    pub fn now(mut self, rfc3339: impl Into<String>) -> Self {
        self.now = Some(rfc3339.into());
        self
    }

    /// Calls the plugin for each input, in order. The inputs share one key-value storage, which is
    /// empty at first. An input has the form that `wharf plugin run` reads.
    ///
    /// # Errors
    /// The component would not be loaded by a gateway, or an input cannot be read.
    pub fn run(&self, inputs: &[Value]) -> Result<Vec<Answer>, HarnessError> {
        let program = program();
        let wrong = |error| HarnessError::Program {
            program: program.clone(),
            error,
        };
        let mut config = tempfile::Builder::new()
            .suffix(".toml")
            .tempfile()
            .map_err(wrong)?;
        writeln!(config, "[[plugin]]\nname = {:?}\n{}", self.name, self.entry).map_err(wrong)?;
        let mut command = Command::new(&program);
        command
            .args(["plugin", "run", "--json", "--input", "-", "--config"])
            .arg(config.path())
            .envs(self.secrets.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some(now) = &self.now {
            command.args(["--now", now]);
        }
        let mut child = command
            .arg("--")
            .arg(&self.component)
            .spawn()
            .map_err(wrong)?;
        let text: String = inputs.iter().map(|input| format!("{input}\n")).collect();
        let stdin = child.stdin.take();
        // Written beside the reading of the output: two full pipes would wait for each other.
        let writer = thread::spawn(move || {
            // A program that refuses its arguments does not read its input.
            stdin.map(|mut stdin| stdin.write_all(text.as_bytes()))
        });
        let output = child.wait_with_output().map_err(wrong)?;
        drop(writer.join());
        // 1 says that the plugin failed, which an answer says too.
        if !matches!(output.status.code(), Some(0 | 1)) {
            let reason = String::from_utf8_lossy(&output.stderr);
            return Err(HarnessError::Refused(reason.trim().to_owned()));
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let answers: Option<Vec<Answer>> = text.lines().map(answer).collect();
        answers
            .filter(|answers| answers.len() == inputs.len())
            .ok_or_else(|| HarnessError::Output(text.into_owned()))
    }
}

fn answer(line: &str) -> Option<Answer> {
    let mut line: Value = serde_json::from_str(line).ok()?;
    Some(Answer {
        failed: line.get("failed")?.as_bool()?,
        calls: line.get("calls")?.as_array()?.clone(),
        answer: line.get_mut("answer")?.take(),
    })
}

/// The program: the one that `WHARF_BIN` names; otherwise, in Wharf's own repository, the one that
/// was built beside this test; otherwise the one on the PATH.
fn program() -> PathBuf {
    if let Some(program) = env::var_os("WHARF_BIN") {
        return program.into();
    }
    let beside = env::current_exe().ok().and_then(|test| {
        let program = test.parent()?.parent()?.join("wharf");
        program.is_file().then_some(program)
    });
    beside.unwrap_or_else(|| "wharf".into())
}
